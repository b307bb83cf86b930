import { isSluiceError } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { type ServiceDefinition, bigint, encrypt, handler, held, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { assertHeldColumns } from '../src/held-columns-check.ts'

const people = table('people', {
  aggregate: 'Person',
  key: ['id'],
  topic: topic('held.people'),
  columns: { id: bigint(), name: text() },
  privacy: { name: encrypt({ subject: 'id' }) },
})

function serviceThatHolds(as: string, subject: string): ServiceDefinition {
  const holds = [held(people, 'name', { into: 'calls', as, subject })]
  const calls = handler('calls', { tables: [people], holds, apply: async () => Promise.resolve() })
  return { migrations: new URL('file:///none/'), projections: [calls] }
}

test('a place that a handler holds and the database lacks is told at the start, not when somebody is to be erased', async () => {
  const database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'held columns')
  const client = await connect(postgresTarget('service', database.url), { applicationName: 'test' })
  await client.query('CREATE TABLE calls (who bigint, line text)')
  await assertHeldColumns(client, 'phone', serviceThatHolds('line', 'who'))
  await expect(assertHeldColumns(client, 'phone', serviceThatHolds('lines', 'whom'))).rejects.toSatisfy(
    (e) => isSluiceError(e, 'SERVICE_NOT_PROVISIONED') && e.why === 'public.calls.lines, public.calls.whom not found',
  )
  await client.end()
  await database.drop()
})

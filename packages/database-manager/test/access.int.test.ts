/** Reads leave a trace, too: what a trigger does not see is recorded by the manager before it happens. */
import { runInContext } from '@sluice/core'
import { expect, test } from 'vitest'
import { type DataAccess, runAsTenant } from '@sluice/database-manager'
import { openServices } from './service-fixture.ts'

const LOG_TABLE = `
  CREATE TABLE samples (id integer PRIMARY KEY, name text NOT NULL);
  CREATE TABLE data_access_log (
    accessed_at timestamptz NOT NULL DEFAULT clock_timestamp(), service text NOT NULL, kind text NOT NULL, purpose text NOT NULL,
    tenant_id text, user_id text, correlation_id text)`

test('who read what, for which tenant and in which context, stands in the table before it is read', async () => {
  await using services = await openServices({ tables: LOG_TABLE, access: { service: 'samples', table: 'data_access_log' } })
  const { databases, owner } = services
  const ai = databases.get('ai')
  await runInContext({ userId: 'ann', correlationId: 'order-17' }, () =>
    runAsTenant('a', () => ai.query('SELECT $1::text AS secret', ['PLANTED'])),
  )
  let recordedFirst = 0
  await ai.read(
    async () => {
      recordedFirst = (await owner.query(`SELECT FROM data_access_log WHERE purpose = 'count results'`)).rowCount ?? 0
    },
    { purpose: 'count results' },
  )
  expect(recordedFirst).toBe(1)
  const { rows } = await owner.query(
    'SELECT service, kind, purpose, tenant_id, user_id, correlation_id FROM data_access_log ORDER BY accessed_at',
  )
  expect(rows).toEqual([
    {
      service: 'ai',
      kind: 'statement',
      purpose: 'SELECT $1::text AS secret',
      tenant_id: 'a',
      user_id: 'ann',
      correlation_id: 'order-17',
    },
    { service: 'ai', kind: 'read', purpose: 'count results', tenant_id: null, user_id: null, correlation_id: null },
  ])
})

test('what can not be recorded is not read', async () => {
  const seen: DataAccess[] = []
  const access = async (record: DataAccess): Promise<void> => {
    seen.push(record)
    throw new Error('the log is full')
  }
  await using services = await openServices({ access })
  const samples = services.databases.get('samples')
  let isRun = false
  const work = async (): Promise<void> => {
    isRun = true
  }
  await expect(samples.transaction(work, { purpose: 'write' })).rejects.toThrow('the log is full')
  await expect(samples.read(work)).rejects.toMatchObject({ code: 'ACCESS_UNNAMED' })
  await expect(samples.query('SELECT 1')).rejects.toThrow('the log is full')
  expect(isRun).toBe(false)
  expect(seen.map(({ kind, purpose }) => [kind, purpose])).toEqual([
    ['transaction', 'write'],
    ['statement', 'SELECT 1'],
  ])
})

/** Promise 11 for private columns: compared in captured form, opened, or counted apart; and a planted difference is found. */
import { createKafka } from '@sluice/kafka'
import { silentLogger } from '@sluice/core'
import { eraseSubject } from '@sluice/privacy'
import { type VerifyReport, verifySystem } from '@sluice/verify'
import { expect, test } from 'vitest'
import { insertPerson, person } from './planted-people.ts'
import { MASTER_KEYS, PrivatePipeline } from './private-pipeline.ts'

async function verify(pipeline: PrivatePipeline): Promise<VerifyReport> {
  const { monolith, pipeline: store, crm, mail } = pipeline.targets
  return verifySystem({
    system: pipeline.shop.system,
    targets: { monolith, pipeline: store, services: { crm, mail } },
    kafka: createKafka({ brokers: pipeline.brokers, clientId: 'private-verify', logger: silentLogger }),
    masterKeys: MASTER_KEYS,
  })
}

const tablesOf = (report: VerifyReport): unknown =>
  report.services.flatMap(({ service, tables }) =>
    tables.map((t) => [`${service}.${t.table}`, t.status, t.different, t.examples.flatMap((e) => e.columns), t.privacy]),
  )

test('private columns are compared, erased subjects counted apart, and every planted difference is found', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_verify')
  const { monolith, crm, mail, pipeline: store } = pipeline.clients
  await insertPerson(monolith, person('kept', 1))
  await insertPerson(monolith, { ...person('größer', 2), card: '12' })
  await insertPerson(monolith, person('erased', 3))
  await monolith.query('UPDATE people SET born = NULL, bio = NULL, email = NULL, card = NULL WHERE account = 2')
  await monolith.query(`INSERT INTO visits SELECT account, code, account, 'PLANTED-remark' FROM people`)
  pipeline.start()
  await pipeline.caughtUp()

  const privacyOf = (sealedColumns: readonly string[], erasedRows: number, droppedColumns = ['iban']) => ({
    droppedColumns,
    sealedColumns,
    erasedRows,
  })
  const sealed = ['full_name', 'born', 'salary', 'bio']
  const whole = await verify(pipeline)
  expect(tablesOf(whole)).toEqual([
    ['crm.contacts', 'equal', 0, [], privacyOf([], 0)],
    ['crm.visits', 'equal', 0, [], privacyOf([], 0, [])],
    ['crm.greetings', 'equal', 0, [], privacyOf([], 0, [])],
    ['mail.people', 'equal', 0, [], privacyOf(sealed, 0)],
  ])
  expect(whole.verdict).toBe('equal')

  const { monolith: source, crm: crmTarget, mail: mailTarget, pipeline: pipelineTarget } = pipeline.targets
  const places = {
    system: pipeline.shop.system,
    monolith: source,
    pipeline: pipelineTarget,
    services: { crm: crmTarget, mail: mailTarget },
    master: MASTER_KEYS,
  }
  const { subjectId } = await eraseSubject(places, { kind: 'person', subject: '3', requestedBy: 'test', isDryRun: false })
  const erased = await verify(pipeline)
  expect(tablesOf(erased)).toEqual([
    ['crm.contacts', 'equal', 0, [], privacyOf([], 1)],
    ['crm.visits', 'equal', 0, [], privacyOf([], 1, [])],
    ['crm.greetings', 'equal', 0, [], privacyOf([], 1, [])],
    ['mail.people', 'equal', 0, [], privacyOf(sealed, 1)],
  ])
  expect(erased.verdict).toBe('equal')
  expect(erased.chain.map((c) => c.status)).toEqual(['whole'])

  // A wrong value in every form: clear, hashed, masked, a placeholder that is missing, and a ciphertext of another column.
  await crm.query(`UPDATE contacts SET full_name = 'somebody else' WHERE account = 1`)
  await crm.query(`UPDATE contacts SET card = '****0000' WHERE account = 2`)
  await crm.query(`UPDATE contacts SET full_name = 'PLANTED-name-erased' WHERE account = 3`)
  await crm.query(`UPDATE visits SET person_code = (SELECT code FROM contacts WHERE account = 2) WHERE account = 1`)
  await crm.query(`UPDATE greetings SET line = 'PLANTED-name-erased' WHERE account = 3`)
  await mail.query('UPDATE people SET bio = full_name WHERE account = 1')
  await mail.query(`UPDATE people SET salary = 'no ciphertext' WHERE account = 2`)
  await mail.query(`UPDATE people SET born = NULL WHERE account = 3`)
  const different = await verify(pipeline)
  const found = different.services.flatMap(({ service, tables }) =>
    tables.map((t) => [`${service}.${t.table}`, t.status, t.different, t.examples.flatMap((e) => e.columns).sort()]),
  )
  expect(found).toEqual([
    ['crm.contacts', 'different', 3, ['card', 'full_name', 'full_name']],
    ['crm.visits', 'different', 1, ['person_code']],
    ['crm.greetings', 'different', 1, ['line']],
    ['mail.people', 'different', 3, ['bio', 'born', 'salary']],
  ])
  expect(different.verdict).toBe('different')
  // No report holds a value; the hashed key is how a row is named.
  expect(JSON.stringify(different, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
    'PLANTED',
  )
  expect(
    (await store.query('SELECT FROM subject_keys WHERE subject_id = $1 AND wrapped_key IS NULL', [subjectId])).rowCount,
  ).toBe(1)
})

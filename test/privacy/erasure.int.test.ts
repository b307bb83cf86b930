/** Erasing a person from an append-only log: what was encrypted can be read by nobody, and nothing of it comes back. */
import { isSluiceError } from '@sluice/core'
import { applyRecordedErasures, eraseSubject } from '@sluice/privacy'
import { getLane, verifyChain } from '@sluice/store'
import { lanesOf } from '@sluice/system'
import { expect, test } from 'vitest'
import { ERASED, contactOf } from './granted-values.ts'
import { insertPerson, person } from './planted-people.ts'
import { plantedInDatabase } from './planted-values.ts'
import { MASTER_KEYS, PrivatePipeline } from './private-pipeline.ts'

const REQUEST = { kind: 'person', requestedBy: 'test', isDryRun: false } as const

/** The service as it is before its first event: what a replay begins with. */
const FORGET_EVERYTHING = `TRUNCATE contacts, visits, greetings, processed_events, consumed_offsets, projector_positions CASCADE`

test('an erased person is gone from the services, from later changes, from replays and from restored copies', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_erasure')
  const { system } = pipeline.shop
  const { monolith, crm, mail, pipeline: store } = pipeline.clients
  const { monolith: source, crm: crmTarget, mail: mailTarget, pipeline: pipelineTarget } = pipeline.targets
  const services = { crm: crmTarget, mail: mailTarget }
  const places = { system, monolith: source, pipeline: pipelineTarget, services, master: MASTER_KEYS }
  const [gone, stays] = [person('gone', 1), person('stays', 2)]
  await insertPerson(monolith, gone)
  await insertPerson(monolith, stays)
  await monolith.query(`INSERT INTO visits VALUES (1, $1, 1, 'PLANTED-remark'), (2, $2, 2, 'kept')`, [gone.code, stays.code])
  const engines = pipeline.start()
  await pipeline.caughtUp()
  const kept = { full_name: stays.name, born: '1911-03-17', salary: '98765.43', remark: 'kept', line: stays.name }
  const clear = { ...kept, full_name: gone.name, remark: 'PLANTED-remark', line: gone.name }
  expect(await contactOf(pipeline, 1)).toEqual(clear)

  // A dry run counts and changes nothing.
  const plan = await eraseSubject(places, { ...REQUEST, subject: '1', isDryRun: true })
  expect(await contactOf(pipeline, 1)).toEqual(clear)
  const keysBefore = await store.query<{ subject_id: string; wrapped_key: string }>('SELECT * FROM subject_keys')
  const ciphertexts = `SELECT count(*)::int AS sealed FROM event_store WHERE event_data::text LIKE '%sluice:sealed:1:' || $1 || '%'`
  const before = await store.query(ciphertexts, [plan.subjectId])

  const report = await eraseSubject(places, { ...REQUEST, subject: '1' })
  expect(report).toEqual(plan)
  expect(report).toMatchObject({
    key: 'destroyed',
    services: [
      {
        service: 'crm',
        columns: [
          { column: 'public.contacts.full_name', values: 1 },
          { column: 'public.contacts.born', values: 1 },
          { column: 'public.contacts.salary', values: 1 },
          { column: 'public.visits.remark', values: 1 },
          { column: 'public.greetings.line', values: 1 },
        ],
      },
      { service: 'mail', columns: [] },
    ],
  })
  expect(await contactOf(pipeline, 1)).toEqual(ERASED)
  expect(await contactOf(pipeline, 2)).toEqual(kept)

  // The stored events are as they were, and nobody has their key.
  expect((await store.query(ciphertexts, [report.subjectId])).rows).toEqual(before.rows)
  const { rows: keys } = await store.query('SELECT subject_id FROM subject_keys WHERE wrapped_key IS NULL')
  expect(keys).toEqual([{ subject_id: report.subjectId }])
  const lane = await getLane(store, system.name, lanesOf(system)[0]!.name)
  expect(await verifyChain(pipelineTarget, lane, {})).toMatchObject({ broken: null })
  const { rows: journal } = await store.query(
    'SELECT subject_id, requested_by, finished_at IS NOT NULL AS finished, overwritten::int FROM subject_erasures',
  )
  expect(journal).toEqual([{ subject_id: report.subjectId, requested_by: 'test', finished: true, overwritten: 5 }])

  // A later change of the person arrives erased: marked, not NULL.
  await monolith.query(`UPDATE people SET full_name = 'PLANTED-later', born = '1999-09-09' WHERE account = 1`)
  await monolith.query(`UPDATE visits SET remark = 'PLANTED-later' WHERE id = 1`)
  await pipeline.caughtUp()
  expect(await contactOf(pipeline, 1)).toEqual(ERASED)
  const marker = `sluice:erased:1:${report.subjectId}`
  const { rows: inMail } = await mail.query('SELECT full_name, born FROM people WHERE account = 1')
  expect(inMail).toEqual([{ full_name: marker, born: marker }])
  expect(await plantedInDatabase(store, ['PLANTED-later', '1999-09-09'])).toEqual([])
  expect(
    await plantedInDatabase(
      crm,
      ['PLANTED-', '1999-09-09'].map((v) => (v === 'PLANTED-' ? 'PLANTED-later' : v)),
    ),
  ).toEqual([])
  await engines.stop()

  // A replay from the first message on builds the erased rows erased.
  await crm.query(FORGET_EVERYTHING)
  const replayed = pipeline.start()
  await pipeline.caughtUp()
  expect(await contactOf(pipeline, 1)).toEqual(ERASED)
  expect(await contactOf(pipeline, 2)).toEqual(kept)
  await replayed.stop()

  // A service database that was restored from before the erasure has it applied before it is used.
  await crm.query('DELETE FROM erased_subjects')
  await crm.query(`UPDATE contacts SET full_name = $1, born = '1911-03-17', salary = 98765.43 WHERE account = 1`, [gone.name])
  await crm.query(`UPDATE visits SET remark = 'PLANTED-remark' WHERE account = 1`)
  await crm.query('UPDATE greetings SET line = $1 WHERE account = 1', [gone.name])
  const restored = pipeline.start()
  await pipeline.until(async () => (await crm.query('SELECT FROM erased_subjects')).rowCount === 1)
  expect(await contactOf(pipeline, 1)).toEqual(ERASED)
  await pipeline.caughtUp()
  await restored.stop()

  // A pipeline database that was restored has the key again: no projector opens until it is destroyed again, by a reader or a command.
  const key = keysBefore.rows.find((row) => row.subject_id === report.subjectId)!.wrapped_key
  await store.query('UPDATE subject_keys SET wrapped_key = $2, destroyed_at = NULL WHERE subject_id = $1', [
    report.subjectId,
    key,
  ])
  const refused = pipeline.start({ services: ['crm'], projectorsAlone: true })
  await expect(pipeline.until(() => Promise.resolve(false))).rejects.toSatisfy((e) => isSluiceError(e, 'ERASURES_MISSING'))
  await refused.stop()
  expect(await applyRecordedErasures(places, 'test')).toEqual([{ place: 'pipeline', subjects: 1 }])
  expect(await applyRecordedErasures(places, 'test')).toEqual([])
  const { rows: again } = await store.query('SELECT wrapped_key FROM subject_keys WHERE subject_id = $1', [report.subjectId])
  expect(again).toEqual([{ wrapped_key: null }])
})

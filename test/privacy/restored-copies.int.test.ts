/** A database that is restored from before an erasure: the erasure is applied to it again before it is used. */
import { createKafka } from '@sluice/kafka'
import { isSluiceError, silentLogger } from '@sluice/core'
import { type ErasurePlaces, eraseSubject } from '@sluice/privacy'
import { verifySystem } from '@sluice/verify'
import { expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'
import { insertPerson, person } from './planted-people.ts'
import { MASTER_KEYS, PrivatePipeline } from './private-pipeline.ts'

function placesOf({ shop, targets }: PrivatePipeline): ErasurePlaces {
  const { monolith, pipeline, crm, mail } = targets
  return { system: shop.system, monolith, pipeline, services: { crm, mail }, master: MASTER_KEYS }
}

/** Two people, whose rows are in the services, and no engine runs. */
async function withPeople(pipeline: PrivatePipeline): Promise<void> {
  await insertPerson(pipeline.clients.monolith, person('gone', 1))
  await insertPerson(pipeline.clients.monolith, person('stays', 2))
  const engines = pipeline.start()
  await pipeline.caughtUp()
  await engines.stop()
}

async function erase(pipeline: PrivatePipeline): Promise<string> {
  const request = { kind: 'person', subject: '1', requestedBy: 'test', isDryRun: false } as const
  return (await eraseSubject(placesOf(pipeline), request)).subjectId
}

const namesIn = async (pipeline: PrivatePipeline): Promise<unknown> =>
  (await pipeline.clients.crm.query('SELECT full_name FROM contacts ORDER BY account')).rows.map(Object.values).flat()

test('a reader destroys the keys that an older copy of the pipeline database brought back, before it seals a row', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_restored_store')
  await withPeople(pipeline)
  const copy = await pipeline.copyOf('pipeline')
  const subjectId = await erase(pipeline)
  await pipeline.restore('pipeline', copy)
  const keyOf = async (): Promise<unknown> =>
    (await pipeline.clients.pipeline.query('SELECT wrapped_key FROM subject_keys WHERE subject_id = $1', [subjectId])).rows
  const sealedOnes = async (): Promise<unknown> =>
    (
      await pipeline.clients.pipeline.query(
        `SELECT count(*)::int AS events FROM event_store WHERE event_data::text LIKE '%sluice:sealed:1:' || $1 || '%'`,
        [subjectId],
      )
    ).rows
  expect(await keyOf()).not.toEqual([{ wrapped_key: null }])
  const before = await sealedOnes()

  // Whoever uses keys and is no reader refuses.
  const { monolith, pipeline: store, crm, mail } = pipeline.targets
  const verified = verifySystem({
    system: pipeline.shop.system,
    targets: { monolith, pipeline: store, services: { crm, mail } },
    kafka: createKafka({ brokers: pipeline.brokers, clientId: 'restored-verify', logger: silentLogger }),
    masterKeys: MASTER_KEYS,
  })
  await expect(verified).rejects.toSatisfy((error) => isSluiceError(error, 'ERASURES_MISSING'))
  const rotated = await runSluice(['keys', 'rotate'], pipeline.environment)
  expect([rotated.code, rotated.stderr]).toEqual([3, expect.stringContaining('SLU-8010')])

  // The reader alone: no service that remembers the erasure has to be there.
  await pipeline.clients.monolith.query(`UPDATE people SET full_name = 'PLANTED-later' WHERE account = 1`)
  const engines = pipeline.start({ services: [] })
  await pipeline.caughtUp([])
  expect(await keyOf()).toEqual([{ wrapped_key: null }])
  expect(await sealedOnes()).toEqual(before)
  const { rows } = await pipeline.clients.pipeline.query(
    `SELECT count(*)::int AS events FROM event_store WHERE event_data::text LIKE '%sluice:erased:1:' || $1 || '%'`,
    [subjectId],
  )
  expect(rows).toEqual([{ events: 1 }])
  const { rows: journal } = await pipeline.clients.pipeline.query(
    'SELECT subject_id, requested_by, finished_at IS NOT NULL AS finished FROM subject_erasures',
  )
  expect(journal).toEqual([{ subject_id: subjectId, requested_by: 'sluice reader monolith', finished: true }])
  await engines.stop()

  // And the services open again, with nothing of the person.
  const all = pipeline.start()
  await pipeline.caughtUp()
  expect(await namesIn(pipeline)).toEqual(['[erased]', 'PLANTED-name-stays'])
  await all.stop()
})

test('the granted clear values of an older copy of a service are overwritten before it takes an event', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_restored_service')
  await withPeople(pipeline)
  const copy = await pipeline.copyOf('crm')
  await erase(pipeline)
  expect(await namesIn(pipeline)).toEqual(['[erased]', 'PLANTED-name-stays'])
  await pipeline.restore('crm', copy)
  expect(await namesIn(pipeline)).toEqual(['PLANTED-name-gone', 'PLANTED-name-stays'])

  // Its next event is refused by this, so that what was overwritten was so before one was applied.
  await pipeline.clients.crm.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF EXISTS (SELECT FROM contacts WHERE full_name = 'PLANTED-name-gone') THEN RAISE 'a row of before the erasure'; END IF;
       RETURN NEW; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION refuse()`,
  )
  await insertPerson(pipeline.clients.monolith, person('later', 3))
  const engines = pipeline.start()
  await pipeline.caughtUp()
  expect(await namesIn(pipeline)).toEqual(['[erased]', 'PLANTED-name-stays', 'PLANTED-name-later'])
  await engines.stop()
})

test('an erasure that the source lacks reaches it when the reader starts', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_unrecorded')
  await withPeople(pipeline)
  const subjectId = await erase(pipeline)
  const recorded = async (): Promise<unknown> =>
    (await pipeline.clients.monolith.query('SELECT subject_id FROM sluice.erased_subjects')).rows
  expect(await recorded()).toEqual([{ subject_id: subjectId }])
  await pipeline.clients.monolith.query('DROP SCHEMA sluice CASCADE')
  const engines = pipeline.start({ services: [] })
  await pipeline.caughtUp([])
  expect(await recorded()).toEqual([{ subject_id: subjectId }])
  await engines.stop()
})

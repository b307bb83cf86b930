/** A reader that is killed around the key of a subject, which is committed before the events that are sealed with it. */
import { expect, test } from 'vitest'
import { SluiceProcess } from '../harness/sluice-process.ts'
import { HeldLock } from './held-lock.ts'
import { insertWithVisit, person } from './planted-people.ts'
import { PrivatePipeline } from './private-pipeline.ts'

const PEOPLE = [person('one', 1), person('two', 2)]

/** What the store's writer needs after the keys are committed: before the COPY of the events, and before their commit. */
const BETWEEN_KEY_AND_EVENTS = 'LOCK TABLE aggregate_heads IN SHARE MODE'
const AFTER_COPY = 'LOCK TABLE event_commits IN SHARE MODE'

/** Starts the reader as a process of its own, and kills it where it waits for the lock. */
async function killReaderAt(pipeline: PrivatePipeline, lock: string): Promise<void> {
  await using held = await HeldLock.take(pipeline.targets.pipeline, lock)
  const reader = new SluiceProcess(['run', 'reader'], pipeline.environment)
  const session = await held.killWaiting(reader)
  const { rowCount } = await pipeline.clients.pipeline.query(
    `SELECT FROM pg_locks WHERE pid = $1 AND mode = 'RowExclusiveLock' AND granted AND relation::regclass::text LIKE 'event\\_store%'`,
    [session],
  )
  expect(rowCount! > 0).toBe(lock === AFTER_COPY)
  await held.letGoAndAwaitEnd(session)
}

test('a reader that is killed between a key and its events, or after their COPY, stores each loaded row once, under the one key', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_sealing')
  const { monolith, crm, pipeline: store } = pipeline.clients
  for (const someone of PEOPLE) await insertWithVisit(monolith, someone)
  const keys = async (): Promise<readonly unknown[]> => {
    const found = await store.query<{ id: string; key: string }>('SELECT subject_id AS id, wrapped_key AS key FROM subject_keys')
    return found.rows.toSorted((a, b) => a.id.localeCompare(b.id))
  }

  await killReaderAt(pipeline, BETWEEN_KEY_AND_EVENTS)
  const made = await keys()
  expect(made).toHaveLength(PEOPLE.length)
  for (const lock of [AFTER_COPY, BETWEEN_KEY_AND_EVENTS, AFTER_COPY]) await killReaderAt(pipeline, lock)
  expect((await store.query('SELECT FROM event_store')).rowCount).toBe(0)
  expect(await keys()).toEqual(made)

  pipeline.start()
  await pipeline.caughtUp()
  const { rows: events } = await store.query(
    'SELECT aggregate_type AS type, count(*)::int AS events, count(DISTINCT aggregate_id)::int AS rows FROM event_store GROUP BY 1 ORDER BY 1',
  )
  expect(events).toEqual(['Person', 'Visit'].map((type) => ({ type, events: 2, rows: 2 })))
  const { rows } = await crm.query(
    `SELECT c.full_name AS name, c.born::text, c.salary::text, v.remark FROM contacts c JOIN visits v ON v.person_code = c.code
       ORDER BY c.account`,
  )
  expect(rows).toEqual(PEOPLE.map(({ name }) => ({ name, born: '1911-03-17', salary: '98765.43', remark: 'PLANTED-remark' })))
  expect((await crm.query('SELECT FROM parked_events')).rowCount).toBe(0)
  expect(await keys()).toEqual(made)
})

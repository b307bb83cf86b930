/**
 * Promise 10: columns marked drop, mask, hash or encrypt never leave the reader in the clear. Values are planted in every kind of
 * column, on every way a value takes, and looked for in everything that Sluice keeps.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { waitUntil } from '../harness/wait-until.ts'
import { insertPerson, person, secretsOf } from './planted-people.ts'
import { openBytes, plantedInBytes, plantedInDatabase, plantedInText, plantedInTopics } from './planted-values.ts'
import { PrivatePipeline } from './private-pipeline.ts'

const LIMIT_MS = 60_000

test('planted values of private columns are found nowhere behind the reader, and clear ones are found', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_capture')
  const { monolith, crm, mail } = pipeline.clients
  const loaded = person('loaded', 1)
  const loadedToo = person('loaded-too', 2)
  const streamed = person('streamed', 3)
  const refused = person('refused', 4, 'Atlantis')
  const doubled = { ...person('doubled', 5), email: loaded.email }
  await insertPerson(monolith, loaded)
  await insertPerson(monolith, loadedToo)
  await monolith.query(`INSERT INTO visits VALUES (1, $1, 1, 'PLANTED-remark-loaded')`, [loaded.code])

  // The load: in chunks of one row, so that keys are remembered.
  const engines = pipeline.start({ readerLimits: { chunkRowsMax: 1 } })
  await pipeline.caughtUp()

  // The stream: insert, update beside an unchanged TOAST value, change of the key, full old rows, delete, events of the application.
  await insertPerson(monolith, streamed)
  await monolith.query(`UPDATE people SET full_name = 'PLANTED-name-updated' WHERE code = $1`, [loaded.code])
  await monolith.query(`UPDATE people SET code = 'PLANTED-code-moved' WHERE code = $1`, [loaded.code])
  await monolith.query(`UPDATE visits SET remark = 'PLANTED-remark-updated' WHERE id = 1`)
  await monolith.query(`INSERT INTO visits VALUES (2, $1, 3, 'PLANTED-remark-deleted'), (3, $1, 3, NULL)`, [streamed.code])
  await monolith.query('DELETE FROM visits WHERE id = 2')
  await monolith.query(
    `INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('Note', 'n1', 'NoteTaken', '"CLEAR-payload"')`,
  )
  // The parking lot: a row that the service's CHECK refuses, and one that its unique key does.
  await insertPerson(monolith, refused)
  await monolith.query('UPDATE people SET email = NULL WHERE code = $1', ['PLANTED-code-moved'])
  await insertPerson(monolith, doubled)
  await monolith.query(`INSERT INTO visits VALUES (4, $1, 4, 'PLANTED-remark-parked')`, [refused.code])
  await pipeline.caughtUp()
  await engines.stop()

  const planted = [...[loaded, loadedToo, streamed, refused, doubled].flatMap(secretsOf), 'PLANTED-', '1911-03-17', '98765.43']
  const control = [loaded.city, loadedToo.city, streamed.city, 'CLEAR-payload']
  const granted = ['public.contacts', 'public.visits', 'public.greetings']

  expect(await plantedInDatabase(pipeline.clients.pipeline, planted)).toEqual([])
  expect(await plantedInDatabase(mail, planted)).toEqual([])
  expect(await plantedInDatabase(crm, planted, granted)).toEqual([])
  expect(await plantedInTopics(pipeline.brokers, pipeline.topics, planted)).toEqual([])
  expect(plantedInText(pipeline.log, planted)).toEqual([])

  // The same search finds what is in the clear, so it would have found the others.
  const events = (await plantedInDatabase(pipeline.clients.pipeline, control)).filter((hit) =>
    hit.startsWith('public.event_store'),
  )
  expect(new Set(events.map((hit) => hit.split(': ')[1]))).toEqual(new Set(control))
  expect(await plantedInDatabase(mail, control.slice(0, 3))).toHaveLength(3)
  const inTopics = await plantedInTopics(pipeline.brokers, pipeline.topics, control)
  expect(new Set(inTopics.map((hit) => hit.split(': ')[1]))).toEqual(new Set(control))
  // And in the parking lot, whose messages are binary.
  expect(await plantedInDatabase(crm, ['Atlantis'])).toEqual(['public.parked_events: Atlantis'])

  // The granted service has the values themselves, in the source's types; the hash keeps joins and unique keys.
  const contacts = await crm.query(
    `SELECT c.full_name, c.born::text, c.salary::text, c.card, length(c.code) AS code, v.remark
     FROM contacts c LEFT JOIN visits v ON v.person_code = c.code ORDER BY c.account`,
  )
  expect(contacts.rows).toEqual([
    {
      full_name: 'PLANTED-name-updated',
      born: '1911-03-17',
      salary: '98765.43',
      card: '****1234',
      code: 64,
      remark: 'PLANTED-remark-updated',
    },
    { full_name: loadedToo.name, born: '1911-03-17', salary: '98765.43', card: '****1234', code: 64, remark: null },
    { full_name: streamed.name, born: '1911-03-17', salary: '98765.43', card: '****1234', code: 64, remark: null },
    { full_name: doubled.name, born: '1911-03-17', salary: '98765.43', card: '****1234', code: 64, remark: null },
  ])
  const sealed = await mail.query<{ full_name: string; bio: string; born: string }>('SELECT full_name, bio, born FROM people')
  expect(sealed.rows).toHaveLength(5)
  for (const row of sealed.rows) for (const text of Object.values(row)) expect(text).toMatch(/^sluice:sealed:1:[0-9a-f]{32}:/)
  // What was parked holds back its own key and what refers to it, and keeps the captured form.
  const parked = await crm.query('SELECT sqlstate, count(*)::int AS events FROM parked_events GROUP BY 1 ORDER BY 1')
  expect(parked.rows).toEqual([
    { sqlstate: '23503', events: 1 },
    { sqlstate: '23514', events: 1 },
  ])
})

test.runIf(process.platform === 'linux')(
  'planted values of a transaction in progress are not in the spool, nor anywhere once it committed, nor at the relay that parks one',
  async () => {
    const spoolFolder = mkdtempSync(join(tmpdir(), 'sluice-planted-spool-'))
    onTestFinished(() => {
      rmSync(spoolFolder, { recursive: true })
    })
    await using pipeline = await PrivatePipeline.open('privacy_spool')
    const { monolith, crm, pipeline: store } = pipeline.clients
    await monolith.query(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''64kB''', current_database()); END $$`,
    )
    const streamed = person('spooled', 1)
    await insertPerson(monolith, streamed)
    const engines = pipeline.start({ readerLimits: { spoolFolder } })
    await pipeline.caughtUp()

    // Larger than what PostgreSQL decodes in memory, so that it comes while it runs.
    await monolith.query('BEGIN')
    await monolith.query(
      `INSERT INTO visits SELECT g, $1, 1, 'PLANTED-remark-spooled-' || g || repeat(' and so on', 100) FROM generate_series(1, 1000) g`,
      [streamed.code],
    )
    await pipeline.until(() => Promise.resolve(openBytes(spoolFolder).length > 500_000))
    const spooled = openBytes(spoolFolder)
    expect(plantedInBytes(spooled, ['PLANTED-', 'and so on'])).toEqual([])
    await monolith.query('COMMIT')
    await pipeline.caughtUp()
    const { rows } = await crm.query(`SELECT count(*)::int AS n FROM visits WHERE remark LIKE 'PLANTED-remark-spooled-%'`)
    expect(rows).toEqual([{ n: 1000 }])
    await engines.stop()

    // Too large for its topic, even without its large values.
    const held = person('held-at-relay', 2)
    await insertPerson(monolith, held)
    const relaying = pipeline.start({ relayLimits: { messageBytesMax: 700 }, services: [] })
    await pipeline.until(async () => (await store.query('SELECT FROM relay_parked_events')).rowCount === 1)
    await relaying.stop()

    const planted = [...secretsOf(streamed), ...secretsOf(held), 'PLANTED-']
    expect(await plantedInDatabase(store, planted)).toEqual([])
    expect(await plantedInTopics(pipeline.brokers, pipeline.topics, planted)).toEqual([])
    expect(plantedInText(pipeline.log, planted)).toEqual([])
    const { rows: parked } = await store.query('SELECT error_code FROM relay_parked_events')
    expect(parked).toEqual([{ error_code: 'SLU-4004' }])
  },
)

test('an interrupted load of a table with a hashed key goes on where it stood, and remembers no key in the clear', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_load')
  const { monolith, crm, pipeline: store } = pipeline.clients
  const people = Array.from({ length: 60 }, (_, i) => person(`p${String(i).padStart(3, '0')}`, i + 1))
  for (const p of people) await insertPerson(monolith, p)
  // In its eleventh chunk the load is held, so that it is interrupted in its middle however fast it is.
  await store.query(
    `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF (SELECT count(*) FROM migration_checkpoints) >= 10 THEN PERFORM pg_advisory_xact_lock(1); END IF;
       RETURN NEW; END $$;
     CREATE TRIGGER held BEFORE INSERT ON migration_checkpoints FOR EACH ROW EXECUTE FUNCTION hold();
     SELECT pg_advisory_lock(1)`,
  )
  const interrupted = pipeline.start({ readerLimits: { chunkRowsMax: 1 } })
  await waitUntil('the load to be held', LIMIT_MS, async () => {
    const { rowCount } = await store.query(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND objsubid = 1 AND NOT granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    return rowCount === 1
  })
  const stopped = interrupted.stop()
  await store.query('SELECT pg_advisory_unlock(1)')
  await stopped
  await store.query('DROP TRIGGER held ON migration_checkpoints')
  const { rowCount: stored } = await store.query('SELECT FROM migration_checkpoints')
  expect(stored).toBeGreaterThanOrEqual(10)
  expect(stored).toBeLessThan(60)
  // A row that is not loaded yet takes a key in the part that is: it is read again by that key.
  await monolith.query(`UPDATE people SET code = 'PLANTED-code-a-straggler' WHERE account = 60`)
  await monolith.query(`UPDATE people SET full_name = 'PLANTED-name-while-interrupted' WHERE account = 1`)
  pipeline.start()
  await pipeline.caughtUp()

  const { rows } = await crm.query<{ account: string; full_name: string }>(
    'SELECT account, full_name FROM contacts ORDER BY account',
  )
  const names = people.map((p) => (p.account === 1 ? 'PLANTED-name-while-interrupted' : p.name))
  expect(rows.map((row) => row.full_name)).toEqual(names)
  const { rows: loaded } = await store.query(
    `SELECT aggregate_id FROM event_store WHERE event_type = 'PersonMigrated' GROUP BY 1 HAVING count(*) > 1`,
  )
  expect(loaded).toEqual([])
  const noted = await store.query(`SELECT FROM migration_checkpoints WHERE checkpoint_data ? 'noted'`)
  expect(noted.rowCount).toBe(1)
  expect(await plantedInDatabase(store, ['PLANTED-'])).toEqual([])
})

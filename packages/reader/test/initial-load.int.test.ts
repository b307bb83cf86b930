/** Issue point 4: no gap, no overlap, no row going back in time; killed in the middle ten times, it still ends equal. */
import { getLane, loadProgress, verifyChain } from '@sluice/store'
import type { CapturedTable } from '@sluice/system'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EventFold } from './event-fold.ts'
import { holdLoad } from './held-load.ts'
import { runKilledReader } from './killable-reader.ts'
import { LOAD_DDL, accounts, codes, entries, loadLane, visits } from './load-system.ts'
import { fill, startWorkload } from './load-workload.ts'
import { type ReaderFixture, SYSTEM, openReaderFixture } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

const TABLES = [accounts, entries, codes, visits]

let source: ReaderFixture
let laneName: string
beforeEach(async () => {
  source = await openReaderFixture('reader load', LOAD_DDL)
  laneName = source.lane.name
})
afterEach(async () => {
  await source.close()
})

async function sourceRows(table: CapturedTable): Promise<readonly string[]> {
  const columns = table.columnNames.map((c) => `${pg.escapeIdentifier(c)}::text`).join(', ')
  const { rows } = await source.source.query<(string | null)[]>({
    text: `SELECT ${columns} FROM ${table.name}`,
    rowMode: 'array',
  })
  return rows.map((row) => JSON.stringify(row)).sort()
}

async function expectEqual(): Promise<void> {
  const fold = new EventFold(TABLES)
  const events = await source.events()
  for (const [index, event] of events.entries()) {
    expect(event.position).toBe(BigInt(index + 1))
    fold.apply(event)
  }
  for (const table of TABLES) {
    const expected = await sourceRows(table)
    expect(expected.length).toBeGreaterThan(0)
    expect(fold.rows(table)).toEqual(expected)
  }
  expect(new Set(events.map((e) => e.eventId)).size).toBe(events.length)
}

async function caughtUpAndStopped(reader: ReturnType<ReaderFixture['start']>): Promise<void> {
  await source.caughtUp(reader)
  await reader.stop()
}

test('rows of before the slot come as a load, parents first and chunk by chunk; those of after it as changes', async () => {
  await fill(source, 500)
  const reader = source.start({ lane: loadLane(laneName), limits: { chunkRowsMax: 100 } })
  await reader.next('connected')
  await source.source.query(`INSERT INTO accounts VALUES (1, 'later', NULL)`)
  await caughtUpAndStopped(reader)
  const events = await source.events()
  const loaded = events.filter((e) => e.migrationId !== null)
  expect(loaded).toHaveLength(2500)
  expect([...new Set(loaded.map((e) => e.eventType))]).toEqual([
    'AccountMigrated',
    'EntryMigrated',
    'CodeMigrated',
    'VisitMigrated',
  ])
  expect(new Set(loaded.map((e) => e.correlationId)).size).toBe(25)
  expect(new Set(loaded.map((e) => e.committedAt)).size).toBe(1)
  expect(events.at(-1)).toMatchObject({ eventType: 'AccountCreated', aggregateKey: '1' })
  await expectEqual()
  const record = await getLane(source.store, SYSTEM.name, laneName)
  expect(record.phase).toBe('streaming')
  const loads = await loadProgress(source.store, record.lane)
  expect(loads.map((l) => [l.table, l.status, l.rowsStored])).toEqual([
    ['public.accounts', 'completed', 500n],
    ['public.entries', 'completed', 1000n],
    ['public.codes', 'completed', 500n],
    ['public.visits', 'completed', 500n],
  ])
})

test('killed ten times in the middle, under inserts, updates, deletes, moving keys and truncates, it ends equal', async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
  const random = seeded(seed)
  const rows = 1500
  process.stdout.write(`initial load: SLUICE_TEST_SEED=${seed}\n`)
  await fill(source, rows)
  const workload = startWorkload(source, seed, rows)
  for (let kill = 0; kill < 10; kill += 1) {
    // At a chunk, or before the first of its run. All ten come to eighty chunks at most, and there are more, whatever the workload deletes.
    const moment =
      random(4) === 0 ? { text: kill === 0 ? '"phase"' : '"feedback"', times: 1 } : { text: '"chunk"', times: 1 + random(7) }
    await runKilledReader(source, laneName, { chunkRowsMax: 50, loadReaders: 1 + random(4) }, moment)
  }
  expect((await getLane(source.store, SYSTEM.name, laneName)).phase).toBe('loading')
  const reader = source.start({ lane: loadLane(laneName), limits: { chunkRowsMax: 300, chunkBytesMax: 20_000, loadReaders: 3 } })
  await reader.next('connected')
  await workload.stop(500)
  await caughtUpAndStopped(reader)
  await expectEqual()
  const record = await getLane(source.store, SYSTEM.name, laneName)
  expect(await verifyChain(source.pipelineTarget, record)).toMatchObject({ isWhole: true })
})

test('a key that moves into the loaded part while the load is interrupted is read again; one that moves out is deleted', async () => {
  await source.source.query(`
    INSERT INTO accounts VALUES (0, 'one', NULL);
    INSERT INTO entries VALUES (0, 1, 1);
    INSERT INTO codes VALUES ('a', 1);
    INSERT INTO visits SELECT g * 10, 0 FROM generate_series(1, 20) g`)
  // The first chunk of visits has the keys 10 to 50, the second those up to 100; the reader dies with the one or the other.
  await runKilledReader(source, laneName, { chunkRowsMax: 5 }, { text: 'public.visits', times: 1 })
  const { rows } = await source.store.query<{ last: string }>(
    `SELECT last_processed_id[1] AS last FROM data_migration_state WHERE entity_type = 'public.visits'`,
  )
  const last = Number(rows[0]!.last)
  await source.source.query(`UPDATE visits SET id = 11 WHERE id = ${last + 50}`)
  await source.source.query(`UPDATE visits SET n = 7 WHERE id = 11`)
  await source.source.query(`UPDATE visits SET id = 12 WHERE id = ${last + 60}; DELETE FROM visits WHERE id = 12`)
  await source.source.query(`UPDATE visits SET id = ${last + 51} WHERE id = 10; DELETE FROM visits WHERE id = ${last + 51}`)
  await source.source.query(`UPDATE visits SET id = ${last + 52} WHERE id = 20`)
  const reader = source.start({ lane: loadLane(laneName), limits: { chunkRowsMax: 5 } })
  await reader.next('connected')
  await caughtUpAndStopped(reader)
  await expectEqual()
  const straggler = (await source.events()).filter((e) => e.aggregateKey === '11')
  expect(straggler.map((e) => [e.eventType, e.eventData])).toEqual([['VisitMigrated', '{"op":"r","after":{"id":"11","n":"7"}}']])
  const left = (await source.events()).filter((e) => e.aggregateKey === '10' && e.aggregateType === 'Visit')
  expect(left.map((e) => e.eventType)).toEqual(['VisitMigrated', 'VisitDeleted'])
})

test('a table that comes into the definition later is loaded while the others stream on', async () => {
  await fill(source, 100)
  const lane = loadLane(laneName)
  const before = source.start({ lane: { ...lane, tables: [accounts, entries] } })
  await before.next('connected')
  await source.source.query(`UPDATE accounts SET name = 'x' WHERE id < 20`)
  await before.stop()
  await source.source.query(`UPDATE visits SET n = 1; UPDATE accounts SET name = 'y' WHERE id < 20`)
  const after = source.start({ lane })
  await after.next('connected')
  await source.source.query(`UPDATE visits SET n = 2 WHERE id < 20`)
  await caughtUpAndStopped(after)
  await expectEqual()
})

test('rows larger than a chunk, read by several sessions of which one is cut off: it goes on under a new snapshot and ends equal', async () => {
  await fill(source, 300)
  await source.source.query(`UPDATE accounts SET bio = repeat('w', 3000)`)
  const limits = { chunkRowsMax: 100, chunkBytesMax: 30_000, loadReaders: 3 }
  const held = await holdLoad(source.store, 6)
  const first = source.start({ lane: loadLane(laneName), limits })
  await held.stands()
  const { rowCount } = await source.source.query(
    `SELECT pg_terminate_backend(pid) FROM (
       SELECT pid FROM pg_stat_activity
       WHERE application_name = $1 AND datname = current_database() AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL
       ORDER BY backend_start DESC LIMIT 1
     ) AS session`,
    [`sluice reader ${laneName}`],
  )
  expect(rowCount).toBe(1)
  await held.letGo()
  await expect(first.done).rejects.toMatchObject({ number: 'SLU-2004' })
  const { lane } = await getLane(source.store, SYSTEM.name, laneName)
  const [standing] = await loadProgress(source.store, lane)
  expect(standing).toMatchObject({ table: 'public.accounts', status: 'failed' })
  const chunks = first.progress.filter((p) => p.kind === 'chunk').map((p) => p.rows)
  expect(Math.max(...chunks)).toBeLessThan(30)
  await source.source.query(`DELETE FROM accounts WHERE id % 20 = 0`)
  const second = source.start({ lane: loadLane(laneName), limits })
  await second.next('connected')
  await caughtUpAndStopped(second)
  await expectEqual()
})

test('a truncate during the load, which snapshots do not hide, neither blocks nor leaves a row out', async () => {
  await fill(source, 300)
  const held = await holdLoad(source.store, 2)
  const reader = source.start({ lane: loadLane(laneName), limits: { chunkRowsMax: 20 } })
  await held.stands()
  await source.source.query(`UPDATE visits SET n = 1 WHERE id = 5`)
  await source.source.query(`TRUNCATE visits`)
  await source.source.query(`INSERT INTO visits VALUES (5, 2)`)
  const connected = reader.next('connected')
  await held.letGo()
  await connected
  await caughtUpAndStopped(reader)
  expect(reader.progress.filter((p) => p.kind === 'load-started')).toHaveLength(2)
  await expectEqual()
})

/** Backfills beside the stream: every row of one is the row that the source had at that place of the stream. */
import { connect } from '@sluice/postgres'
import { askBackfill, getBackfill, getLane, listBackfills, secondsLeft, throttleBackfill } from '@sluice/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type StartedBackfill,
  TABLES,
  backfillUntil,
  backfilledEvents,
  backfilledKeys,
  completed,
  expectConsistent,
  letGo,
  startBackfill,
  startHeldBackfill,
} from './backfill-fixture.ts'
import { runKilledReader } from './killable-reader.ts'
import { LOAD_DDL, accounts, loadLane, visits } from './load-system.ts'
import { fill, startWorkload } from './load-workload.ts'
import { type ReaderFixture, type RunningReader, SYSTEM, openReaderFixture } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

let source: ReaderFixture
beforeEach(async () => {
  source = await openReaderFixture('reader backfill', LOAD_DDL)
})
afterEach(async () => {
  await source.close()
})

const LIMITS = { backfillPollMs: 20 }
const CHUNK_ROWS = 20
/** Slow enough that a run is under way at each step, on any machine. */
const PACE = { rowsPerSecondMax: 50 }

async function streaming(limits: object = {}): Promise<RunningReader> {
  const reader = source.start({ lane: loadLane(source.lane.name), limits: { ...LIMITS, ...limits } })
  await reader.next('connected')
  return reader
}

async function caughtUpAndStopped(reader: RunningReader): Promise<void> {
  await source.caughtUp(reader)
  await reader.stop()
}

test('under inserts, updates, deletes, moving keys and truncates, every table backfills equal, and no row goes back in time', async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
  process.stdout.write(`backfill: SLUICE_TEST_SEED=${seed}\n`)
  await fill(source, 1500)
  const reader = await streaming({ chunkRowsMax: 50 })
  const workloads = [1, 2, 3].map((writer) => startWorkload(source, seed + writer, 1500))
  const runs = []
  for (const table of [...TABLES, accounts]) runs.push(await startBackfill(source, table))
  for (const run of runs) await completed(source, reader, run)
  const transactions = await Promise.all(workloads.map((workload) => workload.stop(30)))
  await caughtUpAndStopped(reader)
  const ended = []
  for (const run of runs) ended.push(await getBackfill(source.store, run.id))
  await expectConsistent(source, runs, runs)
  // The workload truncates the last table now and then.
  for (const run of ended) if (run.table !== 'public.visits') expect(run.rowsStored).toBeGreaterThan(500n)
  process.stdout.write(
    `backfill: ${transactions.join('+')} transactions, ${ended.map((r) => `${r.rowsStored}-${r.rowsDropped}`).join(' ')} rows\n`,
  )
})

test('killed ten times in the middle, a run goes on after its last chunk and stores no row twice', async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
  process.stdout.write(`backfill: SLUICE_TEST_SEED=${seed}\n`)
  const random = seeded(seed)
  await fill(source, 1500)
  const first = await streaming()
  await caughtUpAndStopped(first)
  const runs = [await startBackfill(source, accounts), await startBackfill(source, visits)]
  const workload = startWorkload(source, seed, 1500)
  for (let kill = 0; kill < 10; kill += 1) {
    // Chunks so small that the first table is not through after seventy: a truncate may leave none of the second one's rows to wait for.
    const moment = { text: '"backfill"', times: 1 + random(6) }
    await runKilledReader(source, source.lane.name, { ...LIMITS, chunkRowsMax: 15 }, moment)
  }
  const [half] = await listBackfills(source.store, (await getLane(source.store, SYSTEM.name, source.lane.name)).lane)
  expect(half!.status).not.toBe('completed')
  const reader = await streaming({ chunkRowsMax: 40 })
  for (const run of runs) await completed(source, reader, run)
  await workload.stop(0)
  await caughtUpAndStopped(reader)
  await expectConsistent(source, runs, runs)
  expect((await backfilledEvents(source, runs[0]!)).length).toBeGreaterThan(500)
})

test('pause, resume and cancel hold within a chunk, and each is recorded', async () => {
  await fill(source, 400)
  const reader = await streaming({ chunkRowsMax: CHUNK_ROWS })
  const run = await startBackfill(source, visits, PACE)
  await backfillUntil(source, reader, run, ({ rowsRead }) => rowsRead >= 40n)
  const { rowsRead } = await askBackfill(source.store, run.id, 'pause', 'test')
  const paused = await backfillUntil(source, reader, run, ({ status }) => status === 'paused')
  expect(Number(paused.rowsRead - rowsRead)).toBeLessThanOrEqual(CHUNK_ROWS)
  await source.source.query('UPDATE visits SET n = 7 WHERE id < 300')
  await source.caughtUp(reader)
  expect(await backfilledEvents(source, run)).toHaveLength(Number(paused.rowsStored))
  await askBackfill(source.store, run.id, 'resume', 'test')
  await throttleBackfill(source.store, run.id, { rowsPerSecondMax: null }, 'test')
  const ended = await completed(source, reader, run)
  expect(ended).toMatchObject({ rowsStored: 400n, waitsFor: null })

  const other = await startBackfill(source, visits, PACE)
  await backfillUntil(source, reader, other, ({ rowsRead }) => rowsRead >= 40n)
  const { rowsRead: asked } = await askBackfill(source.store, other.id, 'cancel', 'test')
  const cancelled = await backfillUntil(source, reader, other, ({ status }) => status === 'cancelled')
  expect(Number(cancelled.rowsRead - asked)).toBeLessThanOrEqual(CHUNK_ROWS)
  await expect(askBackfill(source.store, other.id, 'resume', 'test')).rejects.toMatchObject({ number: 'SLU-3006' })
  const last = await startBackfill(source, visits, { from: ['390'] })
  await completed(source, reader, last)
  expect(await backfilledEvents(source, other)).toHaveLength(Number(cancelled.rowsStored))
  const { rows } = await source.store.query<{ command: string }>('SELECT command FROM backfill_commands ORDER BY id')
  expect(rows.map((row) => row.command)).toEqual(['start', 'pause', 'resume', 'throttle', 'start', 'cancel', 'start'])
  await caughtUpAndStopped(reader)
  await expectConsistent(source, [run, other, last])
})

test('a key range and a filter take exactly their rows, and a filter can not widen the range', async () => {
  await fill(source, 300)
  await source.source.query('UPDATE visits SET n = id % 3')
  const reader = await streaming({ chunkRowsMax: 17 })
  const range = await startBackfill(source, visits, { from: ['100'], to: ['199'], filter: 'visits.n = 1 -- every third' })
  const wide = await startBackfill(source, visits, { from: ['290'], to: ['295'], filter: 'false) OR (true' })
  const pairs = await startBackfill(source, TABLES[1]!, { from: ['20', '2'], to: ['30', '1'] })
  for (const run of [range, wide, pairs]) await completed(source, reader, run)
  const expected = Array.from({ length: 100 }, (_, i) => 100 + i).filter((id) => id % 3 === 1)
  expect(await backfilledKeys(source, range)).toEqual(expected.map(String))
  expect(await backfilledKeys(source, wide)).toEqual(['290', '291', '292', '293', '294', '295'])
  const keys = await backfilledKeys(source, pairs)
  expect([keys.length, keys[0], keys.at(-1)]).toEqual([10, '["20","2"]', '["30","1"]'])
  await caughtUpAndStopped(reader)
  await expectConsistent(source, [range, wide, pairs])
})

/** What the run says at half way, and how long it takes from there. */
async function estimateAtHalfWay(
  reader: RunningReader,
  run: StartedBackfill,
): Promise<{ readonly estimated: number; readonly actual: number; readonly rowsLeft: number }> {
  const half = await backfillUntil(source, reader, run, ({ rowsRead, rowsEstimate }) => rowsRead * 2n >= rowsEstimate)
  const halfAt = performance.now()
  const estimated = secondsLeft(half)
  const ended = await completed(source, reader, run)
  const actual = (performance.now() - halfAt) / 1000
  process.stdout.write(`backfill: estimated ${estimated} s, took ${actual} s\n`)
  expect(secondsLeft(ended)).toBe(0)
  return { estimated: estimated!, actual, rowsLeft: Number(half.rowsEstimate - half.rowsRead) }
}

test('at half way the estimate of the end is within 30 %', async () => {
  await fill(source, 600)
  const reader = await streaming()
  // A pace of four chunks a second, which any machine holds: so the estimate is what is measured.
  const run = await startBackfill(source, visits, { rowsPerSecondMax: 100 })
  const { estimated, actual } = await estimateAtHalfWay(reader, run)
  expect(estimated / actual).toBeGreaterThan(0.7)
  expect(estimated / actual).toBeLessThan(1.3)
})

test('a rate that is lowered at a third counts at once: at half way no end is told that the rate does not allow', async () => {
  await fill(source, 18)
  const reader = await streaming()
  const run = await startBackfill(source, visits, { rowsPerSecondMax: 24 })
  await backfillUntil(source, reader, run, ({ rowsRead }) => rowsRead >= 6n)
  // A row a second, which any machine holds. That the end comes true within 30 % is asked of a clock of its own, in the brake's unit test.
  await throttleBackfill(source.store, run.id, { rowsPerSecondMax: 1 }, 'test')
  const { estimated, rowsLeft } = await estimateAtHalfWay(reader, run)
  expect(estimated).toBeGreaterThanOrEqual(rowsLeft)
})

test('more changed keys than may be kept: the chunk is read again, nothing is forgotten', async () => {
  await fill(source, 600)
  const reader = await streaming({ chunkRowsMax: 20, backfillKeysBytesMax: 20_000 })
  const run = await startBackfill(source, visits, { rowsPerSecondMax: 300 })
  for (let round = 1; round <= 6; round += 1) {
    await backfillUntil(source, reader, run, ({ rowsRead, status }) => rowsRead >= BigInt(round * 60) || status === 'completed')
    await source.source.query('UPDATE visits SET n = n + 1')
  }
  const ended = await completed(source, reader, run)
  expect(ended.rowsStored + ended.rowsDropped).toBe(600n)
  await caughtUpAndStopped(reader)
  await expectConsistent(source, [run], [run])
})

test('a row that moves behind the place that the run has reached, once or twice, without its large value and with no image of it, is read again', async () => {
  await fill(source, 300)
  const first = await streaming({ chunkRowsMax: 10 })
  const run = await startHeldBackfill(source, first, accounts, { rows: 20 })
  // As if retention had removed the events of every row.
  await source.store.query('UPDATE aggregate_heads SET image_position = NULL')
  await source.source.query('UPDATE accounts SET id = 1 WHERE id = 400')
  await source.source.query('UPDATE accounts SET id = 3 WHERE id = 440')
  await source.source.query('UPDATE accounts SET id = 5 WHERE id = 3')
  await caughtUpAndStopped(first)
  const moved = (await source.events()).filter(({ eventType }) => eventType === 'AccountUpdated')
  expect(moved.map(({ eventData }) => eventData.includes('"bio"'))).toEqual([false, false, false])
  const second = await streaming({ chunkRowsMax: 10 })
  await letGo(source, run)
  await completed(source, second, run)
  await caughtUpAndStopped(second)
  const again = (await backfilledEvents(source, run)).filter(({ correlationId }) => correlationId.includes('-keys-'))
  expect(again.map(({ eventData }) => JSON.parse(eventData) as unknown)).toEqual(
    expect.arrayContaining([
      { op: 'r', after: { id: '1', name: 'account 200', bio: 'b'.repeat(3000) } },
      { op: 'r', after: { id: '5', name: 'account 220', bio: 'b'.repeat(3000) } },
    ]),
  )
  await expectConsistent(source, [run], [run])
})

test('its connection cut, the reader stopped, a column added: the run goes on', async () => {
  await fill(source, 400)
  const first = await streaming({ chunkRowsMax: 20 })
  const run = await startBackfill(source, visits, PACE)
  await backfillUntil(source, first, run, ({ rowsRead }) => rowsRead >= 40n)
  const { rowCount } = await source.source.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sluice reader%backfill' AND datname = current_database()`,
  )
  expect(rowCount).toBe(1)
  const cut = await getBackfill(source.store, run.id)
  await backfillUntil(source, first, run, ({ rowsRead }) => rowsRead >= cut.rowsRead + 40n)
  await first.stop()
  const stopped = await getBackfill(source.store, run.id)
  expect(stopped.status).toBe('running')
  await source.source.query('ALTER TABLE visits ADD COLUMN extra int DEFAULT 5; UPDATE visits SET n = 1 WHERE id > 350')
  const second = await streaming({ chunkRowsMax: 20 })
  await throttleBackfill(source.store, run.id, { rowsPerSecondMax: null }, 'test')
  await completed(source, second, run)
  expect(new Set(await backfilledKeys(source, run)).size).toBe(400)
  await caughtUpAndStopped(second)
  await expectConsistent(source, [run], [run])
})

test('a table that is rewritten or truncated meanwhile is read again; a filter that fails ends the run and not the reader', async () => {
  await fill(source, 400)
  const reader = await streaming({ chunkRowsMax: 10 })
  const run = await startBackfill(source, visits, { rowsPerSecondMax: 200 })
  await backfillUntil(source, reader, run, ({ rowsRead }) => rowsRead >= 30n)
  await source.source.query('TRUNCATE visits; INSERT INTO visits SELECT g, 9 FROM generate_series(1, 200) g')
  await source.source.query('CREATE INDEX ON visits (n); CLUSTER visits USING visits_n_idx')
  await completed(source, reader, run)
  const failed = reader.next('backfill', ({ status }) => status === 'failed')
  const failing = await startBackfill(source, visits, { filter: '1 / (n - 9) > 0' })
  expect(await failed).toMatchObject({ id: failing.id, rowsStored: 0n })
  expect((await getBackfill(source.store, failing.id)).error?.why).toContain('22012')
  await caughtUpAndStopped(reader)
  await expectConsistent(source, [run, failing])
})

test.each([
  { what: 'dropped', change: 'ALTER TABLE visits DROP n', back: 'ALTER TABLE visits ADD n integer NOT NULL DEFAULT 3' },
  { what: 'renamed', change: 'ALTER TABLE visits RENAME n TO m', back: 'ALTER TABLE visits RENAME m TO n' },
])(
  'a captured column is $what: the run fails and the reader does not; once it is back, a resume takes the run to its end',
  async ({ change, back }) => {
    await fill(source, 300)
    const reader = await streaming({ chunkRowsMax: 20 })
    const run = await startHeldBackfill(source, reader, visits, { rows: 40 })
    await source.source.query(change)
    await letGo(source, run)
    const failed = await backfillUntil(source, reader, run, ({ status }) => status === 'failed')
    expect(failed.error?.why).toContain('42703')
    expect(failed.rowsRead).toBeLessThan(300n)
    await source.source.query('UPDATE codes SET n = n + 1')
    await source.caughtUp(reader)
    await source.source.query(`${back}; UPDATE visits SET n = n + 1`)
    await askBackfill(source.store, run.id, 'resume', 'test')
    const ended = await completed(source, reader, run)
    expect(ended).toMatchObject({ rowsRead: 300n, error: null })
    await caughtUpAndStopped(reader)
    await expectConsistent(source, [run])
  },
)

test('a captured column gets another type: the run goes on, with the values as the source has them then', async () => {
  await fill(source, 300)
  const reader = await streaming({ chunkRowsMax: 20 })
  const run = await startHeldBackfill(source, reader, visits, { rows: 40 })
  await source.source.query(
    `ALTER TABLE visits ALTER n TYPE text USING 'text ' || id; UPDATE visits SET n = 'other' WHERE id <= 60`,
  )
  await letGo(source, run)
  await completed(source, reader, run)
  await caughtUpAndStopped(reader)
  const rows = (await backfilledEvents(source, run)).map(({ eventData }) => JSON.parse(eventData) as unknown)
  expect(rows).toContainEqual({ op: 'r', after: { id: '300', n: 'text 300' } })
  expect(new Set(await backfilledKeys(source, run)).size).toBeGreaterThanOrEqual(240)
})

test('it waits while the relay is too far behind, says so, and goes on by itself once that has published', async () => {
  await fill(source, 60)
  const reader = await streaming({ chunkRowsMax: 20 })
  const run = await startBackfill(source, visits, { lagEventsMax: 100 })
  const waiting = await backfillUntil(source, reader, run, ({ waitsFor }) => waitsFor?.includes('published') === true)
  expect(waiting).toMatchObject({ status: 'running', rowsRead: 0n, waitsFor: '300 events are not published yet, 100 may be' })
  await source.store.query(
    `INSERT INTO relay_progress (lane, position, cluster_id) SELECT lane, position, 'the relay' FROM lanes WHERE lane = $1`,
    [run.lane],
  )
  expect(await completed(source, reader, run)).toMatchObject({ rowsStored: 60n, waitsFor: null })
  await caughtUpAndStopped(reader)
})

test('it waits while the source is too busy, says so, and goes on by itself once that has rest', async () => {
  await fill(source, 60)
  const reader = await streaming({ chunkRowsMax: 20 })
  const busy = await connect(source.sourceTarget, { applicationName: 'busy' })
  const { rows } = await busy.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const sleeping = busy.query('SELECT pg_sleep(600)').catch(() => undefined)
  await isAtWork(rows[0]!.pid)
  const run = await startBackfill(source, visits, { activeSessionsMax: 0 })
  const waiting = await backfillUntil(source, reader, run, ({ waitsFor }) => waitsFor?.includes('at work') === true)
  expect(waiting.waitsFor).toMatch(/^\d+ sessions are at work in the source, 0 may be$/)
  expect(waiting.rowsRead).toBe(0n)
  await source.source.query('SELECT pg_cancel_backend($1)', [rows[0]!.pid])
  await sleeping
  expect(await completed(source, reader, run)).toMatchObject({ rowsStored: 60n, waitsFor: null })
  await busy.end()
  await caughtUpAndStopped(reader)
})

async function isAtWork(pid: number): Promise<void> {
  for (;;) {
    const { rowCount } = await source.source.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`, [
      pid,
    ])
    if (rowCount === 1) return
  }
}

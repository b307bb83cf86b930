/** Promise 8: a large transaction streams and spools to disk; what is not stored comes again, whenever the reader ends. */
import { parseLsn } from '@sluice/core'
import { type PostgresTarget, connect } from '@sluice/postgres'
import type { ReaderLimits } from '@sluice/reader'
import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, openReaderFixture } from './reader-fixture.ts'

/** About 8 MB in PostgreSQL's decoder, which then streams what is over 64 kB. */
const ROWS = 20_000

let shop: ReaderFixture
let writer: pg.Client
beforeEach(async () => {
  shop = await openReaderFixture('reader spool')
  writer = await connect(shop.sourceTarget, { applicationName: 'writer' })
})
afterEach(async () => {
  await writer.end()
  await shop.close()
})

function start(limits: Partial<ReaderLimits> = {}): RunningReader {
  const config = { ...shop.sourceTarget.config, options: '-c logical_decoding_work_mem=64kB' }
  const source: PostgresTarget = { ...shop.sourceTarget, config }
  return shop.start({ source, limits: { batchEventsMax: 500, ...limits } })
}

async function insertMany(): Promise<void> {
  await writer.query(`INSERT INTO customers SELECT g, 'n', repeat('b', 300) FROM generate_series(1, ${ROWS}) g`)
}

async function walEnd(): Promise<bigint> {
  const { rows } = await shop.source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn')
  return parseLsn(rows[0]!.lsn)
}

async function commits(): Promise<readonly number[]> {
  const { rows } = await shop.store.query<{ events: number }>(
    `SELECT (last_position - first_position + 1)::int AS events FROM event_commits WHERE kind = 'commit' ORDER BY link`,
  )
  return rows.map((row) => row.events)
}

test('while a transaction runs it is spooled, other commits are stored and acknowledged past its beginning, and it comes whole', async () => {
  const reader = start()
  await reader.next('connected')
  await writer.query('BEGIN')
  const spooled = reader.next('spool', (p) => p.bytes > 2_000_000)
  await insertMany()
  const inserted = await walEnd()
  expect(await spooled).toMatchObject({ transactions: 1 })
  await shop.source.query(`INSERT INTO customers VALUES (0, 'another', NULL)`)
  await shop.caughtUp(reader)
  const { lsn } = await reader.next('feedback', (p) => p.lsn > inserted)
  await shop.confirmed(lsn)
  expect(await commits()).toEqual([1])
  const emptied = reader.next('spool', (p) => p.bytes === 0)
  await writer.query('COMMIT')
  await shop.caughtUp(reader)
  expect(await commits()).toEqual([1, ROWS])
  expect(await emptied).toMatchObject({ transactions: 0 })
  const events = await shop.events()
  expect(events.slice(1).map((e) => e.aggregateKey)).toEqual(Array.from({ length: ROWS }, (_, i) => String(i + 1)))
  await reader.stop()
})

test('a reader that ends while it spools, or while it hands on what was spooled, leaves nothing; the next has it all, once', async () => {
  const first = start()
  await first.next('connected')
  await writer.query('BEGIN')
  const spooled = first.next('spool', (p) => p.bytes > 2_000_000)
  await insertMany()
  await spooled
  await first.stop()
  expect(await shop.events()).toEqual([])
  await writer.query('COMMIT')
  const second = start()
  await second.next('stored')
  await second.stop()
  expect(await shop.events()).toEqual([])
  const third = start()
  await third.next('connected')
  await shop.caughtUp(third)
  await third.stop()
  expect(await commits()).toEqual([ROWS])
  expect(new Set((await shop.events()).map((e) => e.eventId)).size).toBe(ROWS)
})

test('a transaction that is rolled back leaves nothing, neither in the spool nor in the store', async () => {
  const reader = start()
  await reader.next('connected')
  await writer.query('BEGIN')
  const spooled = reader.next('spool', (p) => p.bytes > 2_000_000)
  await insertMany()
  await spooled
  const emptied = reader.next('spool', (p) => p.bytes === 0)
  await writer.query('ROLLBACK')
  expect(await emptied).toMatchObject({ transactions: 0 })
  await shop.caughtUp(reader)
  await reader.stop()
  expect(await shop.events()).toEqual([])
})

test('a full spool ends the reader with the way out, and loses nothing: without streaming the same transaction passes', async () => {
  const reader = start({ spoolBytesMax: 1_000_000 })
  await reader.next('connected')
  await writer.query('BEGIN')
  await insertMany()
  await expect(reader.done).rejects.toMatchObject({
    code: 'SPOOL_FULL',
    retry: 'backoff',
    ways: [
      expect.stringContaining('SLUICE_SPOOL_BYTES_MAX=4000000'),
      expect.stringContaining('SLUICE_STREAM_TRANSACTIONS=false'),
    ],
  })
  await writer.query('COMMIT')
  const whole = start({ spoolBytesMax: 1_000_000, streamsTransactions: false })
  await whole.next('connected')
  await shop.caughtUp(whole)
  await whole.stop()
  expect(await commits()).toEqual([ROWS])
})

test('while the store is blocked, what was spooled waits on disk: feedback goes on, and what is in memory is bounded', async () => {
  const batchBytesMax = 256 * 1024
  const reader = start({ batchBytesMax })
  await reader.next('connected')
  const blocker = await connect(shop.pipelineTarget, { applicationName: 'blocker' })
  await blocker.query('BEGIN')
  await blocker.query('LOCK TABLE lanes IN ACCESS EXCLUSIVE MODE')
  const paused = reader.next('queue', (p) => p.isPaused)
  await insertMany()
  await paused
  const { lsn: said } = await reader.next('feedback')
  for (let i = 0; i < 10; i += 1) expect((await reader.next('feedback')).lsn).toBe(said)
  expect(await shop.confirmed(said)).toBe(said)
  await blocker.query('COMMIT')
  await blocker.end()
  await shop.caughtUp(reader)
  const queued = reader.progress.flatMap((p) => (p.kind === 'queue' ? [p.bytes] : []))
  expect(Math.max(...queued)).toBeLessThan(2 * batchBytesMax)
  expect(await commits()).toEqual([ROWS])
  await reader.stop()
})

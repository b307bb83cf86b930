/** Promise 4: the slot waits for nothing else. Promise 3: it is acknowledged only up to the last stored commit. */
import { LSN_ZERO } from '@sluice/core'
import { connect } from '@sluice/postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, openReaderFixture } from './reader-fixture.ts'

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('reader feedback')
})
afterEach(async () => {
  await shop.close()
})

/** What the server says of the reader's connection: its state, and when the reader said something, by the reader's clock. */
async function connection(): Promise<{ readonly state: string; readonly heardAt: string }> {
  const { rows } = await shop.source.query<{ state: string; heardAt: string }>(
    `SELECT state, coalesce(reply_time::text, 'never') AS "heardAt" FROM pg_stat_replication WHERE application_name = $1`,
    [`sluice reader ${shop.lane.name}`],
  )
  return rows[0]!
}

/** The server hears of the reader once more, and streams to it. */
async function isHeardAgain(): Promise<void> {
  const { heardAt } = await connection()
  const later = expect.not.stringContaining(heardAt) as string
  await expect.poll(connection, { timeout: 60_000 }).toEqual({ state: 'streaming', heardAt: later })
}

test('while the store is blocked, feedback goes on, says no more than is stored, and PostgreSQL keeps the connection', async () => {
  const reader = shop.start({ limits: { batchEventsMax: 100, batchBytesMax: 64 * 1024 } })
  await reader.next('connected')
  await isHeardAgain()
  const blocker = await connect(shop.pipelineTarget, { applicationName: 'blocker' })
  await blocker.query('BEGIN')
  await blocker.query('LOCK TABLE lanes IN ACCESS EXCLUSIVE MODE')
  const paused = reader.next('queue', (p) => p.isPaused)
  await shop.source.query(`INSERT INTO customers SELECT g, repeat('n', 500), NULL FROM generate_series(1, 5000) g`)
  await paused
  const { lsn: said } = await reader.next('feedback')
  for (let i = 0; i < 10; i += 1) expect((await reader.next('feedback')).lsn).toBe(said)
  await isHeardAgain()
  expect(await shop.confirmed(said)).toBe(said)
  await blocker.query('COMMIT')
  await blocker.end()
  await shop.caughtUp(reader)
  expect(await shop.events()).toHaveLength(5000)
  expect(reader.progress.findLast((p) => p.kind === 'queue')).toMatchObject({ isPaused: false })
  await reader.stop()
})

test('what PostgreSQL is told is never ahead of what the store holds', async () => {
  const reader = shop.start()
  await reader.next('connected')
  for (let i = 0; i < 40; i += 1) {
    await shop.source.query(`INSERT INTO customers VALUES (${i}, 'n', NULL)`)
    // The slot is asked first: what it says was said before the store is looked at.
    const said = await shop.confirmed(LSN_ZERO)
    expect(said).toBeLessThanOrEqual(await shop.durableLsn())
  }
  await shop.caughtUp(reader)
  await reader.stop()
  expect(await shop.confirmed(LSN_ZERO)).toBe(await shop.durableLsn())
})

test('a reader that is stopped while the store is blocked gives up the batch, and the next reads it again', async () => {
  const reader = shop.start()
  await reader.next('connected')
  const blocker = await connect(shop.pipelineTarget, { applicationName: 'blocker' })
  await blocker.query('BEGIN')
  await blocker.query('LOCK TABLE lanes IN ACCESS EXCLUSIVE MODE')
  await shop.source.query(`INSERT INTO customers VALUES (1, 'n', NULL)`)
  await reader.next('feedback')
  await reader.stop()
  await blocker.query('COMMIT')
  await blocker.end()
  const next = shop.start()
  await next.next('connected')
  await shop.caughtUp(next)
  expect(await shop.events()).toHaveLength(1)
  await next.stop()
})

test('one large transaction goes to the store in parts, stands there as one commit, and is not held in memory', async () => {
  const reader = shop.start({ limits: { batchEventsMax: 2_000 } })
  await reader.next('connected')
  let most = 0
  const sampler = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 20)
  const before = process.memoryUsage().rss
  await shop.source.query(`INSERT INTO customers SELECT g, 'customer ' || g, repeat('b', 300) FROM generate_series(1, 200000) g`)
  await shop.caughtUp(reader)
  clearInterval(sampler)
  const { rows } = await shop.store.query(
    'SELECT count(*)::int AS commits, sum(last_position - first_position + 1)::int AS events FROM event_commits',
  )
  expect(rows).toEqual([{ commits: 1, events: 200_000 }])
  const batches = reader.progress.filter((p) => p.kind === 'stored')
  expect(batches.length).toBeGreaterThan(50)
  process.stdout.write(`200,000 rows: ${Math.round((most - before) / 2 ** 20)} MiB above ${Math.round(before / 2 ** 20)} MiB\n`)
  expect(most - before).toBeLessThan(200 * 2 ** 20)
  await reader.stop()
})

test('a server that ends the connection is a lost replication connection, which restarts', async () => {
  const reader = shop.start()
  await reader.next('connected')
  await shop.source.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`, [
    shop.lane.slotName,
  ])
  await expect(reader.done).rejects.toMatchObject({ code: 'REPLICATION_LOST', retry: 'restart' })
})

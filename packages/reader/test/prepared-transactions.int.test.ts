/**
 * Two-phase commits: what is prepared is no event until it is committed, however it is read. A server takes them only where it was
 * started with room for them.
 */
import { type RunningServers, printProgress, startServers } from '@sluice/infra'
import { type PostgresTarget, connect } from '@sluice/postgres'
import { getLane, verifyChain } from '@sluice/store'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, SYSTEM, openReaderFixture } from './reader-fixture.ts'

/** More than the 64 kB from which on PostgreSQL streams here, and than the block of a spool that is kept in memory. */
const ROWS = 1_000

let servers: RunningServers
beforeAll(async () => {
  servers = await startServers({
    monolith: { settings: { max_prepared_transactions: '4' } },
    onProgress: printProgress(process.stderr),
  })
})
afterAll(async () => {
  await servers.stop()
})

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('prepared transactions', undefined, servers.monolith.url)
})
afterEach(async () => {
  // A database with a prepared transaction can not be dropped.
  const { rows } = await shop.source.query<{ gid: string }>(
    'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()',
  )
  for (const { gid } of rows) await shop.source.query(`ROLLBACK PREPARED '${gid}'`)
  await shop.close()
})

async function started(streamsTransactions: boolean): Promise<RunningReader> {
  const config = { ...shop.sourceTarget.config, options: '-c logical_decoding_work_mem=64kB' }
  const source: PostgresTarget = { ...shop.sourceTarget, config }
  const reader = shop.start({ source, limits: { streamsTransactions } })
  await reader.next('connected')
  return reader
}

/** Of a part that is kept, and one that is not. */
async function prepare(name: string, first: number): Promise<void> {
  const insert = (from: number): string =>
    `INSERT INTO customers SELECT g, '${name}', repeat('b', 300) FROM generate_series(${from}, ${from + ROWS - 1}) g`
  const writer = await connect(shop.sourceTarget, { applicationName: 'writer' })
  await writer.query(
    `BEGIN; ${insert(first)}; SAVEPOINT s; ${insert(first + ROWS)}; ROLLBACK TO s; PREPARE TRANSACTION '${name}'`,
  )
  // It belongs to nobody's session.
  await writer.end()
}

const prepared = (first: number): readonly string[] => Array.from({ length: ROWS }, (_, i) => String(first + i))

async function insertOne(id: number): Promise<void> {
  await shop.source.query(`INSERT INTO customers VALUES (${id}, 'another', NULL)`)
}

async function keysStored(): Promise<readonly (string | null)[]> {
  return (await shop.events()).map((event) => event.aggregateKey)
}

test.each([
  { way: 'streamed', streamsTransactions: true },
  { way: 'whole', streamsTransactions: false },
])(
  'read $way, a prepared transaction arrives once, when it is committed; one that is rolled back never does',
  async ({ streamsTransactions }) => {
    const reader = await started(streamsTransactions)
    const spooled = streamsTransactions
      ? reader.next('spool', ({ transactions, bytes }) => transactions === 2 && bytes > 0)
      : null
    await prepare('committed later', 10_000)
    await prepare('rolled back later', 20_000)
    await spooled
    await insertOne(1)
    await shop.caughtUp(reader)
    expect(await keysStored()).toEqual(['1'])

    const emptied = streamsTransactions ? reader.next('spool', ({ transactions }) => transactions === 0) : null
    await shop.source.query(`ROLLBACK PREPARED 'rolled back later'`)
    await insertOne(2)
    await shop.source.query(`COMMIT PREPARED 'committed later'`)
    await insertOne(3)
    await shop.caughtUp(reader)
    expect(await keysStored()).toEqual(['1', '2', ...prepared(10_000), '3'])
    await emptied
    await reader.stop()
    expect(await verifyChain(shop.pipelineTarget, await getLane(shop.store, SYSTEM.name, shop.lane.name))).toMatchObject({
      isWhole: true,
    })
  },
)

test('a reader that ends between the prepare and its commit has acknowledged neither: the next one stores it, once', async () => {
  const first = await started(true)
  const spooled = first.next('spool', ({ bytes }) => bytes > 0)
  await prepare('committed meanwhile', 10_000)
  await spooled
  await insertOne(1)
  await shop.caughtUp(first)
  await first.stop()
  await shop.slotIsFree()
  await shop.source.query(`COMMIT PREPARED 'committed meanwhile'`)
  const second = await started(true)
  await shop.caughtUp(second)
  await second.stop()
  await shop.slotIsFree()
  const third = await started(true)
  await insertOne(2)
  await shop.caughtUp(third)
  expect(await keysStored()).toEqual(['1', ...prepared(10_000), '2'])
})

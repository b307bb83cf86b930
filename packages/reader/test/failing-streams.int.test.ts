/**
 * Promise 1 against a fault of PostgreSQL's own (seen on 15 to 18): of a transaction in progress it can not decode the rows between a
 * savepoint that changed their table and was rolled back, and a later change of the same table. Whoever reads it as a stream fails with
 * an internal error, each time anew. Read when it has committed, it is whole.
 */
import { type PostgresTarget, connect } from '@sluice/postgres'
import { getLane, verifyChain } from '@sluice/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, SYSTEM, openReaderFixture } from './reader-fixture.ts'

/** More than the 64 kB from which on PostgreSQL streams here. */
const ROWS = 1_000
const insertFrom = (first: number): string =>
  `INSERT INTO customers SELECT n, repeat('x', 100) FROM generate_series(${first}, ${first + ROWS - 1}) AS n`

const FAILING = [
  'BEGIN',
  insertFrom(0),
  'SAVEPOINT s',
  'ALTER TABLE customers ADD extra integer',
  insertFrom(ROWS),
  'ROLLBACK TO s',
  insertFrom(2 * ROWS),
  'ALTER TABLE customers REPLICA IDENTITY FULL',
]

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('failing streams')
  const reader = shop.start()
  await reader.next('connected')
  await reader.stop()
})
afterEach(async () => {
  await shop.close()
})

function streaming(): PostgresTarget {
  return { ...shop.sourceTarget, config: { ...shop.sourceTarget.config, options: '-c logical_decoding_work_mem=64kB' } }
}

function timesReadAgain(reader: RunningReader): number {
  return reader.progress.filter((p) => p.kind === 'read-again').length
}

async function keysStored(): Promise<readonly number[]> {
  const customers = (await shop.events()).filter((event) => event.aggregateType === 'Customer')
  return customers.map((event) => Number(event.aggregateKey))
}

const committed = [...Array(ROWS).keys(), ...Array.from({ length: ROWS }, (_, i) => 2 * ROWS + i)]

test('a transaction that PostgreSQL can not decode before its commit is read when it has committed, each change once', async () => {
  for (const statement of [...FAILING, 'COMMIT']) await shop.source.query(statement)
  await shop.source.query(`INSERT INTO customers VALUES (9999, 'after')`)
  const reader = shop.start({ source: streaming() })
  // Streamed, whole, and streamed again.
  for (let connections = 0; connections < 3; connections += 1) await reader.next('connected')
  await shop.caughtUp(reader)
  expect(await keysStored()).toEqual([...committed, 9999])
  expect(timesReadAgain(reader)).toBe(1)
  expect(await verifyChain(shop.pipelineTarget, await getLane(shop.store, SYSTEM.name, shop.lane.name))).toMatchObject({
    isWhole: true,
  })
  expect(reader.progress.filter((p) => p.kind === 'connected')).toHaveLength(3)
})

test('while such a transaction runs on, the commits of others are stored', async () => {
  const other = await connect(shop.sourceTarget, { applicationName: 'test' })
  try {
    for (const statement of FAILING) await other.query(statement)
    const reader = shop.start({ source: streaming() })
    await shop.caughtUp(reader)
    await shop.source.query(
      `INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('Order', '1', 'Seen', '{}')`,
    )
    await shop.caughtUp(reader)
    expect((await shop.events()).map((event) => event.eventType)).toEqual(['Seen'])
    expect(timesReadAgain(reader)).toBeLessThan(3)
    await other.query('COMMIT')
    await shop.caughtUp(reader)
    expect(await keysStored()).toEqual(committed)
  } finally {
    await other.end()
  }
})

/**
 * A publication that a platform team has made with a row filter: the table is then the rows that the filter lets through, for the load,
 * the stream and backfills alike. A row that comes in is created, one that leaves is deleted.
 */
import { getLane } from '@sluice/store'
import { type LaneDefinition, bigint, table, text } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { completed, startBackfill } from './backfill-fixture.ts'
import { EventFold } from './event-fold.ts'
import { type ReaderFixture, SYSTEM, customers, dataOf, openReaderFixture, shopLane } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

const FILTER = `name <> 'hidden' AND id < 1000`
/** Many chunks, so that a load is still under way when its reader is stopped for the third time. */
const ROWS = 600
/** Rows that one change takes at most: so few that rows are left for every step, whatever the seed is. */
const RANGE = 60
const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)

let shop: ReaderFixture
let lane: LaneDefinition
beforeEach(async () => {
  shop = await openReaderFixture('reader row filter')
  lane = shopLane(shop.lane.name, { tables: [customers], outbox: null })
  await shop.source.query(`
    ALTER TABLE customers REPLICA IDENTITY FULL;
    CREATE PUBLICATION ${lane.publicationName} FOR TABLE customers WHERE (${FILTER}) WITH (publish_via_partition_root = true)`)
})
afterEach(async () => {
  await shop.close()
})

test('a row that comes into the filter is created whole, one that leaves it is deleted, and what lies outside is nowhere', async () => {
  await shop.source.query(`INSERT INTO customers VALUES (1, 'seen', NULL), (2, 'hidden', repeat('b', 5000)), (1001, 'far', NULL)`)
  const reader = shop.start({ lane })
  await reader.next('connected')
  await shop.source.query(`
    INSERT INTO customers VALUES (3, 'hidden', NULL), (4, 'new', NULL); UPDATE customers SET name = 'shown' WHERE id = 2;
    UPDATE customers SET bio = 'changed' WHERE id = 3; UPDATE customers SET id = id + 1000 WHERE id = 4; DELETE FROM customers WHERE id > 1000;
    UPDATE customers SET name = 'hidden' WHERE id = 1`)
  await shop.caughtUp(reader)
  await reader.stop()
  expect((await shop.events()).map(dataOf)).toEqual([
    { op: 'r', after: { id: '1', name: 'seen', bio: null } },
    { op: 'c', after: { id: '4', name: 'new', bio: null } },
    { op: 'c', after: { id: '2', name: 'shown', bio: 'b'.repeat(5000) } },
    { op: 'd', before: { id: '4', name: 'new', bio: null } },
    { op: 'd', before: { id: '1', name: 'seen', bio: null } },
  ])
})

test('random changes while a load is interrupted and a backfill runs: the fold is what the filter lets through', async () => {
  process.stdout.write(`row filters: SLUICE_TEST_SEED=${SEED}\n`)
  const random = seeded(SEED)
  const id = (): number => (random(6) === 0 ? 1000 : 0) + random(ROWS)
  const statement = (): string => {
    const name = random(3) === 0 ? 'hidden' : `n${random(9)}`
    const from = id()
    switch (random(5)) {
      case 0:
        return `INSERT INTO customers VALUES (${id()}, '${name}', repeat('b', ${random(4000)})) ON CONFLICT DO NOTHING`
      case 1:
        return `DELETE FROM customers WHERE id = ${id()}`
      case 2: {
        const to = id()
        return `UPDATE customers SET id = ${to} WHERE id = ${from} AND NOT EXISTS (SELECT FROM customers WHERE id = ${to})`
      }
      default:
        return `UPDATE customers SET name = '${name}' WHERE id BETWEEN ${from} AND ${from + (random(4) > 0 ? 0 : RANGE)}`
    }
  }
  const change = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i += 1) await shop.source.query(statement())
  }
  await shop.source.query(
    `INSERT INTO customers SELECT g, CASE WHEN g % 4 = 0 THEN 'hidden' ELSE 'n' END, repeat('b', 3000) FROM generate_series(1, ${ROWS}) g`,
  )
  let reader = shop.start({ lane, limits: { chunkRowsMax: 5 } })
  for (let stop = 0; stop < 3; stop += 1) {
    await reader.next('chunk')
    await reader.stop()
    await change(20)
    reader = shop.start({ lane, limits: { chunkRowsMax: 5 } })
  }
  await change(10)
  await shop.caughtUp(reader)
  const run = await startBackfill(shop, customers)
  const finished = completed(shop, reader, run)
  await change(40)
  await finished
  await shop.caughtUp(reader)
  await reader.stop()
  const fold = new EventFold([customers], new Set([run.run]))
  const events = await shop.events()
  for (const event of events) fold.apply(event)
  const { rows } = await shop.source.query<(string | null)[]>({
    text: `SELECT id::text, name, bio FROM customers WHERE ${FILTER}`,
    rowMode: 'array',
  })
  expect(rows.length).toBeGreaterThan(5)
  expect(fold.rows(customers)).toEqual(rows.map((row) => JSON.stringify(row)).sort())
  expect(events.filter((event) => event.migrationId === run.run).length).toBeGreaterThan(0)
})

test('without REPLICA IDENTITY FULL it is refused, since a row could come in without its large values', async () => {
  await shop.source.query('ALTER TABLE customers REPLICA IDENTITY DEFAULT')
  await expect(shop.start({ lane }).done).rejects.toMatchObject({ code: 'REPLICA_IDENTITY_UNUSABLE' })
})

test('where the identity is taken back while it is read, a row that comes in without a value stops the reader', async () => {
  await shop.source.query(
    `ALTER PUBLICATION ${lane.publicationName} SET TABLE customers WHERE (id < 1000); INSERT INTO customers VALUES (1001, 'n', repeat('b', 9000))`,
  )
  const reader = shop.start({ lane })
  await reader.next('connected')
  await shop.source.query('ALTER TABLE customers REPLICA IDENTITY DEFAULT')
  const ended = reader.done
  ended.catch(() => undefined)
  await shop.source.query('UPDATE customers SET id = 1 WHERE id = 1001')
  await expect(ended).rejects.toMatchObject({
    code: 'PUBLICATION_CHANGED',
    what: expect.stringContaining('came into') as unknown,
  })
  expect((await getLane(shop.store, SYSTEM.name, lane.name)).position).toBe(0n)
})

test('another filter than the one that the table was read with is refused at the start, and so is none', async () => {
  const reader = shop.start({ lane })
  await reader.next('connected')
  await shop.caughtUp(reader)
  await reader.stop()
  for (const [filter, why] of [
    ['WHERE (id < 5)', 'its row filter for public.customers is (id < 5), the table was read with '],
    ['', 'its row filter for public.customers is none, the table was read with '],
  ] as const) {
    await shop.source.query(`ALTER PUBLICATION ${lane.publicationName} SET TABLE customers ${filter}`)
    await expect(shop.start({ lane }).done).rejects.toMatchObject({
      code: 'PUBLICATION_CHANGED',
      why: expect.stringContaining(why) as unknown,
    })
  }
  await shop.source.query(`ALTER PUBLICATION ${lane.publicationName} SET TABLE customers WHERE (${FILTER})`)
  const again = shop.start({ lane })
  await again.next('connected')
  await again.stop()
})

test('filter and column list together: the load’s role may read the listed columns alone, and the filter may name others', async () => {
  const narrow = table('customers', {
    columns: { id: bigint(), name: text() },
    key: ['id'],
    aggregate: 'Customer',
    topic: customers.topic,
  })
  // The filter's columns must be in the replica identity, and a list without them is refused by PostgreSQL at the first update.
  await shop.source.query(`
    INSERT INTO customers VALUES (1, 'a', NULL), (2, 'hidden', NULL);
    ALTER PUBLICATION ${lane.publicationName} SET TABLE customers (id, name, bio) WHERE (${FILTER})`)
  const reader = shop.start({ lane: shopLane(shop.lane.name, { tables: [narrow], outbox: null }) })
  await reader.next('connected')
  await shop.source.query(`INSERT INTO customers VALUES (3, 'c', 'bio')`)
  await shop.caughtUp(reader)
  await reader.stop()
  expect((await shop.events()).map(dataOf)).toEqual([
    { op: 'r', after: { id: '1', name: 'a' } },
    { op: 'c', after: { id: '3', name: 'c' } },
  ])
})

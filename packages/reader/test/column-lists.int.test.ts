/**
 * A publication that a platform team has made with column lists, so that other columns never leave the monolith: what the definition
 * names is read, in the load and in the stream, by a role that may read nothing else.
 */
import { randomBytes } from 'node:crypto'
import { isSluiceError } from '@sluice/core'
import { type PostgresTarget, postgresTarget } from '@sluice/postgres'
import { type LaneDefinition, bigint, integer, table, text } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, customers, dataOf, lines, openReaderFixture, orders, shopLane } from './reader-fixture.ts'

/** Customers without `bio`. */
const named = table('customers', {
  columns: { id: bigint(), name: text() },
  key: ['id'],
  aggregate: 'Customer',
  topic: customers.topic,
})

let shop: ReaderFixture
let narrow: LaneDefinition
beforeEach(async () => {
  shop = await openReaderFixture('reader column list')
  narrow = shopLane(shop.lane.name, { tables: [named], outbox: null })
  await shop.source.query(
    `CREATE PUBLICATION ${narrow.publicationName} FOR TABLE customers (id, name) WITH (publish_via_partition_root = true)`,
  )
})
afterEach(async () => {
  await shop.close()
})

test('a role that may read the listed columns alone loads and streams them', async () => {
  const [role, password] = [`narrow_${shop.lane.name}`, randomBytes(12).toString('hex')]
  await shop.source.query(`
    CREATE ROLE ${role} LOGIN REPLICATION PASSWORD '${password}'; GRANT SELECT (id, name) ON customers TO ${role};
    INSERT INTO customers VALUES (1, 'loaded', 'secret')`)
  try {
    const reader = shop.start({ lane: narrow, source: as(role, password) })
    await reader.next('connected')
    await shop.source.query(`
      INSERT INTO customers VALUES (2, 'new', repeat('secret', 2000)); UPDATE customers SET bio = 'secret' WHERE id = 1;
      ALTER TABLE customers REPLICA IDENTITY DEFAULT; UPDATE customers SET id = 3 WHERE id = 2`)
    await shop.caughtUp(reader)
    await reader.stop()
    expect((await shop.events()).map(dataOf)).toEqual([
      { op: 'r', after: { id: '1', name: 'loaded' } },
      { op: 'c', after: { id: '2', name: 'new' } },
      { op: 'u', after: { id: '1', name: 'loaded' } },
      { op: 'u', before: { id: '2' }, after: { id: '3', name: 'new' } },
    ])
  } finally {
    await shop.stopAll()
    await shop.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  }
})

function as(role: string, password: string): PostgresTarget {
  const url = new URL(shop.sourceUrl)
  url.username = role
  url.password = password
  return postgresTarget('monolith', url.href)
}

test('a column outside of the list is refused at the start, with the way out, and nothing is made', async () => {
  const lane = shopLane(shop.lane.name, { tables: [customers], outbox: null })
  const refused = shop.start({ lane }).done
  await expect(refused).rejects.toMatchObject({ code: 'PUBLICATION_CHANGED', why: 'of public.customers it does not send bio' })
  expect((await shop.source.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [lane.slotName])).rowCount).toBe(0)
  const error: unknown = await refused.catch((cause: unknown) => cause)
  const way = isSluiceError(error) ? error.ways.find((text) => text.startsWith('BEGIN;')) : undefined
  await shop.source.query(way!.split('    ')[0]!)
  const reader = shop.start({ lane })
  await reader.next('connected')
  await shop.source.query(`INSERT INTO customers VALUES (1, 'a', 'b')`)
  await shop.caughtUp(reader)
  await reader.stop()
  expect((await shop.events()).map(dataOf)).toEqual([{ op: 'c', after: { id: '1', name: 'a', bio: 'b' } }])
})

test('a list that becomes shorter: what comes without the column is marked, and the next start is refused', async () => {
  const lane = shopLane(shop.lane.name, { tables: [named], outbox: null })
  const reader = shop.start({ lane })
  await reader.next('connected')
  await shop.source.query(`INSERT INTO customers VALUES (1, 'a', 'b')`)
  await shop.source.query(`ALTER PUBLICATION ${lane.publicationName} SET TABLE customers (id)`)
  await shop.source.query(`INSERT INTO customers VALUES (2, 'a', 'b')`)
  await shop.caughtUp(reader)
  await reader.stop()
  expect((await shop.events()).map((event) => [dataOf(event), event.sentColumns])).toEqual([
    [{ op: 'c', after: { id: '1', name: 'a' } }, undefined],
    [{ op: 'c', after: { id: '2' } }, { id: 'bigint' }],
  ])
  await expect(shop.start({ lane }).done).rejects.toMatchObject({
    code: 'PUBLICATION_CHANGED',
    why: 'of public.customers it does not send name',
  })
})

test('a table that comes into the definition is added to it whole', async () => {
  const reader = shop.start({ lane: shopLane(shop.lane.name, { tables: [named, lines, orders], outbox: null }) })
  await reader.next('connected')
  await shop.source.query(`INSERT INTO lines VALUES ('00000000-0000-4000-8000-000000000001', 1, 's')`)
  await shop.caughtUp(reader)
  await reader.stop()
  expect((await shop.events()).map(dataOf)).toEqual([
    { op: 'c', after: { order_id: '00000000-0000-4000-8000-000000000001', line: '1', sku: 's' } },
  ])
})

test('a partition whose changes are sent under its root’s name is told, not left out', async () => {
  await shop.source.query(`
    CREATE TABLE visits (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE visits_1 PARTITION OF visits FOR VALUES IN (1);
    ALTER PUBLICATION ${narrow.publicationName} ADD TABLE visits`)
  const leaf = table('visits_1', { columns: { id: integer() }, key: ['id'], aggregate: 'Visit', topic: customers.topic })
  await expect(
    shop.start({ lane: shopLane(shop.lane.name, { tables: [named, leaf], outbox: null }) }).done,
  ).rejects.toMatchObject({
    code: 'PUBLICATION_CHANGED',
    why: 'it does not publish public.visits_1 under that name: a root has it',
  })
})

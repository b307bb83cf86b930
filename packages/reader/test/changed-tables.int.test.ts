/**
 * Tables that change in the source while they are read: what no longer fits the definition is stored as it came, marked, and the
 * slot goes on. Where a change of a table stands is told by the stream, never by the catalog, which may be newer.
 */
import type { SentColumns, StoredEvent } from '@sluice/core'
import { type CapturedTable, type LaneDefinition, bigint, integer, table, text } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, customers, dataOf, lines, openReaderFixture, orders } from './reader-fixture.ts'

let shop: ReaderFixture
let reader: RunningReader
beforeEach(async () => {
  shop = await openReaderFixture('reader changed')
  await restart()
})
afterEach(async () => {
  await shop.close()
})

/** Begins with the definition of `customers` that is given. */
async function restart(definition: CapturedTable = customers): Promise<void> {
  const lane: LaneDefinition = { ...shop.lane, tables: [lines, orders, definition] }
  reader = shop.start({ lane })
  await reader.next('connected')
}

/** Runs transactions, each of them one text, and gives the data of their events, with the columns that came where these do not fit. */
async function eventsOf(...transactions: readonly string[]) {
  await shop.caughtUp(reader)
  const before = (await shop.events()).length
  for (const sql of transactions) await shop.source.query(sql)
  await shop.caughtUp(reader)
  return (await shop.events()).slice(before).map(seen)
}

function seen(event: StoredEvent): unknown {
  return event.sentColumns === undefined ? dataOf(event) : [dataOf(event), event.sentColumns]
}

const created = (after: Record<string, string | null>): unknown => ({ op: 'c', after })
const RENAMED: SentColumns = { id: 'bigint', name: 'text', memo: 'text' }

/** The table as it is once `bio` is called `memo`. */
const withMemo = table('customers', {
  columns: { id: bigint(), name: text(), memo: text().nullable() },
  key: ['id'],
  aggregate: 'Customer',
  topic: customers.topic,
})

test('a column that is added passes by, in the transaction that adds it too', async () => {
  expect(
    await eventsOf(
      `INSERT INTO customers VALUES (1, 'a', 'x'); ALTER TABLE customers ADD extra integer DEFAULT 7; INSERT INTO customers VALUES (2, 'b', 'y', 8)`,
    ),
  ).toEqual([created({ id: '1', name: 'a', bio: 'x' }), created({ id: '2', name: 'b', bio: 'y' })])
})

test('renamed within a transaction: what came before fits, what came after is stored under the new name and marked', async () => {
  expect(
    await eventsOf(
      `INSERT INTO customers VALUES (1, 'a', 'x'); ALTER TABLE customers RENAME bio TO memo; INSERT INTO customers VALUES (2, 'b', 'y')`,
      `UPDATE customers SET name = 'c' WHERE id = 2; DELETE FROM customers WHERE id = 1; INSERT INTO lines VALUES (gen_random_uuid(), 1, 's')`,
    ),
  ).toEqual([
    created({ id: '1', name: 'a', bio: 'x' }),
    [created({ id: '2', name: 'b', memo: 'y' }), RENAMED],
    [{ op: 'u', after: { id: '2', name: 'c', memo: 'y' } }, RENAMED],
    [{ op: 'd', before: { id: '1' } }, RENAMED],
    expect.objectContaining({ op: 'c' }),
  ])
})

test('dropped, and back under its name with another type', async () => {
  expect(
    await eventsOf(
      `ALTER TABLE customers DROP bio; INSERT INTO customers VALUES (1, 'a')`,
      `ALTER TABLE customers ADD bio integer; INSERT INTO customers VALUES (2, 'b', 5)`,
      `ALTER TABLE customers DROP bio; ALTER TABLE customers ADD bio text; INSERT INTO customers VALUES (3, 'c', 'x')`,
    ),
  ).toEqual([
    [created({ id: '1', name: 'a' }), { id: 'bigint', name: 'text' }],
    [created({ id: '2', name: 'b', bio: '5' }), { id: 'bigint', name: 'text', bio: 'integer' }],
    created({ id: '3', name: 'c', bio: 'x' }),
  ])
})

test('retyped: to one that is as good as text, and to one that was made while the reader ran', async () => {
  expect(
    await eventsOf(
      `ALTER TABLE customers ALTER name TYPE varchar(90); INSERT INTO customers VALUES (1, 'a', 'x')`,
      `CREATE TYPE mood AS ENUM ('calm', 'wild'); ALTER TABLE customers ALTER name TYPE mood USING 'calm'::mood`,
      `INSERT INTO customers VALUES (2, 'wild', 'y')`,
    ),
  ).toEqual([
    created({ id: '1', name: 'a', bio: 'x' }),
    [created({ id: '2', name: 'wild', bio: 'y' }), { id: 'bigint', name: 'public.mood', bio: 'text' }],
  ])
})

test('a change of the table that was rolled back never was', async () => {
  expect(
    await eventsOf(
      `BEGIN; ALTER TABLE customers RENAME bio TO memo; INSERT INTO customers VALUES (1, 'a', 'x'); ROLLBACK`,
      `BEGIN; SAVEPOINT s; ALTER TABLE customers DROP bio; ROLLBACK TO s; INSERT INTO customers VALUES (2, 'b', 'y'); COMMIT`,
    ),
  ).toEqual([created({ id: '2', name: 'b', bio: 'y' })])
})

test('a reader that was away meets each change in the form of its time, by the former definition and by the new one', async () => {
  await shop.caughtUp(reader)
  await reader.stop()
  await shop.source.query(`INSERT INTO customers VALUES (1, 'a', 'x')`)
  await shop.source.query(`ALTER TABLE customers RENAME bio TO memo`)
  await shop.source.query(`INSERT INTO customers VALUES (2, 'b', 'y')`)
  await restart()
  await shop.caughtUp(reader)
  expect((await shop.events()).map(seen)).toEqual([
    created({ id: '1', name: 'a', bio: 'x' }),
    [created({ id: '2', name: 'b', memo: 'y' }), RENAMED],
  ])
  await reader.stop()
  await shop.source.query(`ALTER TABLE customers RENAME memo TO bio`)
  await shop.source.query(`INSERT INTO customers VALUES (3, 'c', 'z')`)
  await shop.source.query(`ALTER TABLE customers RENAME bio TO memo`)
  await shop.source.query(`INSERT INTO customers VALUES (4, 'd', 'z')`)
  await restart(withMemo)
  await shop.caughtUp(reader)
  expect((await shop.events()).slice(2).map(seen)).toEqual([
    [created({ id: '3', name: 'c', bio: 'z' }), { id: 'bigint', name: 'text', bio: 'text' }],
    created({ id: '4', name: 'd', memo: 'z' }),
  ])
})

test('a lane that is not loaded yet must fit: its tables are read by the definition', async () => {
  await reader.stop()
  const strict = table('customers', {
    columns: { id: bigint(), name: integer() },
    key: ['id'],
    aggregate: 'Customer',
    topic: customers.topic,
  })
  const lane: LaneDefinition = { ...shop.lane, name: 'other', slotName: `${shop.lane.slotName}_o`, tables: [strict] }
  await expect(shop.start({ lane }).done).rejects.toMatchObject({ code: 'COLUMN_MISMATCH' })
})

test('without its key a change belongs to no aggregate, and the reader stops before it', async () => {
  const ended = reader.done
  ended.catch(() => undefined)
  await shop.source.query(`ALTER TABLE lines RENAME sku TO code`)
  await shop.source.query(`ALTER TABLE lines RENAME line TO number`)
  await shop.source.query(`INSERT INTO lines VALUES (gen_random_uuid(), 1, 's')`)
  await expect(ended).rejects.toMatchObject({ code: 'COLUMN_MISMATCH' })
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, openReaderFixture } from '../../packages/reader/test/reader-fixture.ts'
import type { CapturedNames } from '../oracle/decoded-change.ts'
import type { ChangesReport } from '../oracle/same-changes.ts'
import { SecondSlot } from '../oracle/second-slot.ts'

const ORDER = '11111111-1111-4111-8111-111111111111'
const OTHER = '22222222-2222-4222-8222-222222222222'
const NAMES: CapturedNames = {
  tables: new Map([
    ['public.customers', { aggregate: 'Customer', key: 'id' }],
    ['public.orders', { aggregate: 'Order', key: 'id' }],
  ]),
  outbox: 'public.outbox',
}
const EQUAL = { lost: 0, doubled: 0, outOfOrder: 0, problems: [] }

let shop: ReaderFixture
let reader: RunningReader
let slot: SecondSlot
beforeAll(async () => {
  shop = await openReaderFixture('second slot')
  await shop.source.query(`INSERT INTO customers VALUES (7, 'seven', NULL), (8, 'eight', repeat('long', 3000))`)
  slot = await SecondSlot.begin({ url: shop.sourceUrl, lane: shop.lane.name, names: NAMES })
  reader = shop.start()
  await reader.next('connected')
})
afterAll(() => shop.close())

/** What differs after these transactions, and after somebody's `tampering` with the store. */
async function compared(transactions: readonly string[], tampering?: string): Promise<ChangesReport> {
  for (const text of transactions) await shop.source.query(text)
  await shop.caughtUp(reader)
  if (tampering !== undefined) await shop.store.query(tampering)
  return slot.compare(shop.store)
}

test('what the reader stores is what PostgreSQL’s own plugin tells: every operation, nothing of what was undone', async () => {
  const report = await compared([
    `INSERT INTO orders (id, customer_id, note) VALUES ('${ORDER}', 7, 'it''s [a]:''b'''), ('${OTHER}', 8, NULL)`,
    `BEGIN; UPDATE customers SET name = 'one'; SAVEPOINT s; UPDATE customers SET name = 'undone'; ROLLBACK TO SAVEPOINT s;
     UPDATE orders SET note = 'x'; COMMIT`,
    `BEGIN; DELETE FROM orders; ROLLBACK`,
    `UPDATE orders SET id = gen_random_uuid() WHERE id = '${OTHER}'`,
    `INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('Offer', 'a b', 'made', '{}');
     DELETE FROM outbox`,
    `DELETE FROM orders WHERE id = '${ORDER}'`,
    'TRUNCATE orders',
    'INSERT INTO unwatched VALUES (1)',
  ])
  expect(report).toEqual({ ...EQUAL, changes: 10 })
})

test('an update that a later one overwrote is missed, though the rows are equal', async () => {
  const report = await compared(
    [`UPDATE customers SET name = 'first' WHERE id = 7`, `UPDATE customers SET name = 'last' WHERE id = 7`],
    `DELETE FROM event_store WHERE position = (SELECT max(position) - 1 FROM event_store)`,
  )
  expect(report).toMatchObject({ changes: 2, lost: 1, doubled: 0, outOfOrder: 0 })
  expect(report.problems).toEqual([expect.stringContaining('u Customer 7 is not in the store')])
})

test('an update that is stored twice under two event ids is seen', async () => {
  const report = await compared(
    [`UPDATE customers SET name = 'again' WHERE id = 7; UPDATE customers SET name = 'again' WHERE id = 8`],
    `UPDATE event_store e SET aggregate_id = o.aggregate_id, aggregate_key = o.aggregate_key, event_data = o.event_data
     FROM event_store o WHERE e.position = (SELECT max(position) FROM event_store) AND o.position = e.position - 1`,
  )
  expect(report).toMatchObject({ changes: 2, lost: 1, doubled: 1, outOfOrder: 0 })
})

test('what was compared is not compared again, and what comes later is', async () => {
  expect(await compared([])).toEqual({ ...EQUAL, changes: 0 })
  expect(await compared([`UPDATE customers SET name = 'later' WHERE id = 8`])).toEqual({ ...EQUAL, changes: 1 })
})

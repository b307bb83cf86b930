/** A truncate is in every partition of its topic, and takes effect once, in its place among all of them (decision 0016). */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, links, orders } from './shop-system.ts'
import { announced, created, truncated, updated } from './test-lane.ts'

const KEYS = Array.from({ length: 12 }, (_, i) => String(i + 1))

test('what comes before it in any partition is gone, what comes after it stays; it counts as one event, and as none when it comes again', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(...KEYS.map((id) => created(orders, order(id, null))))
  shop.lane.commit(
    ...KEYS.map((id) => updated(orders, order(id, null, { amount: '1.00' }))),
    truncated(orders),
    ...KEYS.slice(6).map((id) => created(orders, order(id, null, { amount: '2.00' }))),
  )
  const { progress } = await shop.applyAll()
  expect(await shop.rows('SELECT id, amount FROM orders ORDER BY id')).toEqual(
    KEYS.slice(6).map((id) => ({ id, amount: '2.00' })),
  )
  const applied = progress.flatMap((p) => (p.kind === 'applied' ? [p] : []))
  const sum = (read: (p: (typeof applied)[number]) => number): number => applied.reduce((total, p) => total + read(p), 0)
  expect([sum((p) => p.applied), sum((p) => p.duplicates), sum((p) => p.parked)]).toEqual([Number(shop.lane.position), 0, 0])

  shop.lane.commit(created(orders, order('1', null)))
  await shop.applyAll()
  const before = await shop.contents()
  await shop.client.query('UPDATE consumed_offsets SET next_offset = 0, events = 0')
  const again = shop.start()
  await again.until((p) => p.kind === 'applied' && p.duplicates === Number(shop.lane.position))
  await again.stop()
  expect(await shop.contents()).toEqual(before)
})

test('every target of its table is emptied, split and filtered ones too, and no other', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(
    created(customers, customer(a, { tier: 'gold' })),
    created(customers, customer(b)),
    created(orders, order('1', null)),
    created(links, { id: '1', next: null }),
  )
  shop.lane.commit(truncated(customers))
  await shop.applyAll()
  const left: number[] = []
  for (const table of ['clients', 'favourites', 'orders', 'links']) left.push((await shop.rows(`SELECT FROM ${table}`)).length)
  expect(left).toEqual([0, 0, 1, 1])
})

test('of the tables that one statement truncates, only the one that the service still refers to is parked', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(created(customers, customer(a)), created(orders, order('1', a)), created(links, { id: '1', next: null }))
  await shop.applyAll()
  await shop.client.query('CREATE TABLE notes (link integer REFERENCES links); INSERT INTO notes VALUES (1)')
  const [, , bad] = shop.lane.commit(truncated(customers), truncated(orders), truncated(links))
  await shop.applyAll()
  expect((await shop.parked()).map((p) => [p.eventId, p.sqlState, p.table])).toEqual([[bad!.eventId, '23503', 'notes']])
  expect(await shop.rows('SELECT FROM clients')).toHaveLength(0)
  expect(await shop.rows('SELECT FROM orders')).toHaveLength(0)
})

test("an application's own event is no row of the table, whatever its aggregate is called: it stays parked", async () => {
  await using shop = await Shop.open()
  const [own] = shop.lane.commit(announced('OrderPlaced', {}))
  await shop.applyAll()
  await shop.client.query("UPDATE parked_events SET aggregate_type = 'Customer'")
  shop.lane.commit(truncated(customers))
  await shop.applyAll()
  expect((await shop.parked()).map((p) => p.eventId)).toEqual([own!.eventId])
})

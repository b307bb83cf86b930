/** An event that was parked at the relay comes after its successors, with its old position: the event id decides, not the position. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, orders } from './shop-system.ts'
import { announced, created } from './test-lane.ts'

test('it takes effect once, also when the topics are read again; what lacked its row goes on with a retry', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const [late] = shop.lane.write(created(customers, customer(a)), announced('OrderPlaced', { client: a }))
  const held = shop.lane.take()
  shop.lane.commit(created(customers, customer(b)), created(orders, order('1', a)))
  const projector = shop.start()
  await shop.appliedBy(projector)
  // The child of a row that the service does not have yet.
  expect((await shop.parked()).map((p) => [p.aggregateType, p.sqlState])).toEqual([['Order', '23503']])

  shop.lane.publishLate(held)
  await projector.until((p) => p.kind === 'applied' && p.applied === 2 && p.through === 4n)
  expect(late!.position).toBe(1n)
  expect(await shop.rows('SELECT client_id FROM clients')).toHaveLength(2)
  expect(await shop.work('retry', { error: '23503' })).toMatchObject({ applied: 1 })
  await projector.stop()

  const before = await shop.contents()
  await shop.client.query('UPDATE consumed_offsets SET next_offset = 0, events = 0')
  const again = shop.start()
  await again.until((p) => p.kind === 'applied' && p.duplicates === 4)
  await again.stop()
  expect(await shop.contents()).toEqual(before)
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 1 }])
})

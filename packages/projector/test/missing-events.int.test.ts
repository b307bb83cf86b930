/** Checks of each hand-over from Kafka: never a silent gap. */
import { randomUUID } from 'node:crypto'
import { type ErrorName, isSluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { type RunningProjector, Shop } from './projector-fixture.ts'
import { order } from './shop-rows.ts'
import { orders } from './shop-system.ts'
import { TestLane, created } from './test-lane.ts'

async function failure(projector: RunningProjector): Promise<unknown> {
  return projector.ended.then(
    () => null,
    (error: unknown) => error,
  )
}

function expectCode(error: unknown, code: ErrorName, why: RegExp): void {
  expect(isSluiceError(error, code), String(error)).toBe(true)
  if (isSluiceError(error)) expect(error.why).toMatch(why)
}

/** Where the order with id n went. */
function placesOf(shop: Shop): { topic: string; partition: number; end: bigint }[] {
  return [0, 1, 2]
    .map((partition) => ({ topic: 'shop.orders', partition, end: shop.kafka.end({ topic: 'shop.orders', partition }) }))
    .filter((place) => place.end > 0n)
}

test('a record that was removed from the middle of a partition stops the projector, and nothing after it is applied', async () => {
  await using shop = await Shop.open()
  for (let i = 1; i <= 60; i++) shop.lane.write(created(orders, order(String(i), null)))
  shop.lane.publish()
  const [place] = placesOf(shop)
  shop.kafka.removeRecord(place!, 3n)
  expectCode(await failure(shop.start()), 'EVENTS_MISSING', /^1 of \d+ events up to offset \d+ are no longer there/)
  expect(await shop.rows('SELECT FROM orders')).toHaveLength(0)
})

test('events that retention removed before they were consumed stop it at the start', async () => {
  await using shop = await Shop.open()
  for (let i = 1; i <= 60; i++) shop.lane.write(created(orders, order(String(i), null)))
  shop.lane.publish()
  const [place] = placesOf(shop)
  shop.kafka.deleteRecords(place!, place!.end)
  expectCode(await failure(shop.start()), 'EVENTS_MISSING', /are no longer there/)
})

test('events that are removed while it waits for them stop it too', async () => {
  await using shop = await Shop.open()
  const projector = shop.start({ missingCheckMs: 50 })
  await projector.until((p) => p.kind === 'active')
  for (let i = 1; i <= 60; i++) shop.lane.write(created(orders, order(String(i), null)))
  shop.lane.publish()
  for (const place of placesOf(shop)) shop.kafka.deleteRecords(place, place.end)
  expectCode(await failure(projector), 'EVENTS_MISSING', /the partition holds \d+ to \d+/)
})

test('what retention removes after it was consumed is not missed', async () => {
  await using shop = await Shop.open()
  for (let i = 1; i <= 60; i++) shop.lane.write(created(orders, order(String(i), null)))
  shop.lane.publish()
  await shop.applyAll()
  for (const place of placesOf(shop)) shop.kafka.deleteRecords(place, place.end)
  shop.lane.commit(created(orders, order('61', null)))
  await shop.applyAll()
  expect(await shop.rows('SELECT FROM orders')).toHaveLength(61)
})

test('a lane that was made anew, and a topic that was made anew, are refused', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(created(orders, order('1', null)))
  await shop.applyAll()
  const other = new TestLane(shop.kafka, { system: 'shop', laneName: 'monolith', ownTopic: 'shop.events' })
  other.commit(created(orders, order('2', null)))
  expectCode(await failure(shop.start()), 'KAFKA_AHEAD', /the slot was made anew/)

  await shop.reset()
  shop.lane.commit(created(orders, order('1', null)))
  const [place] = placesOf(shop)
  await shop.client.query('INSERT INTO consumed_offsets VALUES ($1, $2, 77, 60)', [place!.topic, place!.partition])
  expectCode(await failure(shop.start()), 'KAFKA_CLUSTER_CHANGED', /up to offset 77, and it ends at 2/)
})

test('another cluster is refused before anything is consumed', async () => {
  await using shop = await Shop.open()
  await shop.client.query(
    `INSERT INTO projector_positions (lane, lane_name, epoch, cluster_id, applied_position) VALUES (1, 'monolith', $1, 'other', 0)`,
    [randomUUID()],
  )
  expectCode(await failure(shop.start()), 'KAFKA_CLUSTER_CHANGED', /it knows cluster other, and this is cluster fake-cluster/)
})

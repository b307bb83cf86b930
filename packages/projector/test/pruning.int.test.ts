/** Below the mark nothing is remembered, and everything counts as met. */
import { randomUUID } from 'node:crypto'
import { laneId, positionNumber } from '@sluice/core'
import { expect, test } from 'vitest'
import { pruneProcessedEvents } from '../src/index.ts'
import { Shop } from './projector-fixture.ts'
import { customer } from './shop-rows.ts'
import { customers } from './shop-system.ts'
import { announced, created } from './test-lane.ts'

test('pruned events that are delivered again change nothing; parked ones are kept', async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  shop.lane.commit(announced('OrderPlaced', { client }), announced('OrderPlaced', { client }))
  const [bad] = shop.lane.commit(created(customers, customer(client, { email: 'x'.repeat(31) })))
  await shop.applyAll()
  await shop.rows(
    `INSERT INTO processed_truncates (event_id, partition, lane, position) SELECT gen_random_uuid(), 0, 1, p FROM generate_series(3, 4) p`,
  )
  // Never further than what is applied.
  expect(await pruneProcessedEvents(shop.target, laneId(1), positionNumber(99))).toBe(2)
  expect(await shop.rows('SELECT event_id FROM processed_events')).toEqual([{ event_id: bad!.eventId }])
  expect(await shop.rows('SELECT position FROM processed_truncates')).toEqual([{ position: '4' }])
  expect(await shop.rows('SELECT pruned_through FROM projector_positions')).toEqual([{ pruned_through: '3' }])
  expect(await pruneProcessedEvents(shop.target, laneId(1), positionNumber(1))).toBe(0)

  await shop.client.query('UPDATE consumed_offsets SET next_offset = 0, events = 0')
  const again = shop.start()
  await again.until((p) => p.kind === 'applied' && p.duplicates === 3)
  shop.lane.commit(announced('OrderPlaced', { client }))
  await shop.appliedBy(again)
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 3 }])
})

/** Where most events of a type are refused, as after a wrong migration, the lane stands still instead of parking them all. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { customer } from './shop-rows.ts'
import { customers } from './shop-system.ts'
import { announced, created, updated } from './test-lane.ts'

const WRONG = 'ALTER TABLE clients ADD CONSTRAINT wrong CHECK (false) NOT VALID'
const MENDED = 'ALTER TABLE clients DROP CONSTRAINT wrong'
const BREAKER = { refusedMin: 20, breakerDelayMsMax: 200 }

function newCustomers(count: number): ReturnType<typeof created>[] {
  return Array.from({ length: count }, () => created(customers, customer(randomUUID())))
}

test('a broken table stops the lane before its events are parked; once it is mended everything is applied', async () => {
  await using shop = await Shop.open()
  await shop.client.query(WRONG)
  shop.lane.commit(...newCustomers(500))
  const projector = shop.start(BREAKER)
  const stopped = await projector.until((p) => p.kind === 'lane-stopped')
  expect(stopped).toMatchObject({ laneName: 'monolith', error: { code: 'TOO_MANY_PARKED' } })
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT FROM processed_events')).toEqual([])

  await shop.client.query(MENDED)
  await projector.until((p) => p.kind === 'lane-resumed')
  await shop.appliedBy(projector)
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT count(*)::int AS n FROM clients')).toEqual([{ n: 500 }])
})

test('many small transactions open it too: what was parked before stays below the bound, and a retry brings it in', async () => {
  await using shop = await Shop.open()
  await shop.client.query(WRONG)
  const projector = shop.start(BREAKER)
  for (let i = 0; i < 19; i++) {
    shop.lane.commit(...newCustomers(1))
    await shop.appliedBy(projector)
  }
  shop.lane.commit(...newCustomers(1))
  await projector.until((p) => p.kind === 'lane-stopped')
  expect(await shop.parked()).toHaveLength(19)
  await shop.client.query(MENDED)
  await shop.appliedBy(projector)
  await shop.work('retry', {})
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT count(*)::int AS n FROM clients')).toEqual([{ n: 20 }])
})

test('a share of bad events below the bound, and a busy key behind one bad event, leave the lane going', async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  const bad = customer(randomUUID(), { email: 'x'.repeat(31) })
  const events = Array.from({ length: 100 }, (_, i) => announced('OrderPlaced', i % 3 === 0 ? {} : { client }))
  shop.lane.commit(...events)
  shop.lane.commit(created(customers, bad))
  for (let i = 0; i < 3; i++) shop.lane.commit(...Array.from({ length: 50 }, () => updated(customers, bad)))
  const projector = await shop.applyAll(BREAKER)
  expect(projector.progress.some((p) => p.kind === 'lane-stopped')).toBe(false)
  expect(await shop.rows('SELECT aggregate_type, count(*)::int AS n FROM parked_events GROUP BY 1 ORDER BY 1')).toEqual([
    { aggregate_type: 'Customer', n: 151 },
    { aggregate_type: 'Own', n: 34 },
  ])
})

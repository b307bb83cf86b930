/** Tracking columns: what a row holds of the newest event that wrote it. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { customer } from './shop-rows.ts'
import { customers } from './shop-system.ts'
import { created, updated } from './test-lane.ts'

const ANN = '00000000-0000-4000-8000-000000000001'
const BOB = '00000000-0000-4000-8000-000000000002'

let shop: Shop

beforeAll(async () => {
  shop = await Shop.open()
})
afterAll(() => shop[Symbol.asyncDispose]())
beforeEach(() => shop.reset())

async function sightings(): Promise<readonly Record<string, unknown>[]> {
  return shop.rows(
    `SELECT client_id::text AS id, name, bio, last_position::text AS position,
       (extract(epoch FROM last_commit) * 1000000)::bigint::text AS micros, seen_by, note FROM sightings ORDER BY client_id`,
  )
}

test('a row holds position, time and version of the newest event that wrote it, also where that leaves values out', async () => {
  const [first] = shop.lane.commit(created(customers, customer(ANN, { email: null, name: 'Ann', bio: 'long' })))
  await shop.applyAll()
  expect(await sightings()).toEqual([
    {
      id: ANN,
      name: 'Ann',
      bio: 'long',
      position: '1',
      micros: String(first!.committedAtMicros),
      seen_by: { sales: 1 },
      note: null,
    },
  ])
  await shop.client.query(`UPDATE sightings SET note = 'mine'`)

  // Two in one batch, of which the second comes without the large value; the service's own column is left alone.
  const rest = Object.fromEntries(
    Object.entries(customer(ANN, { email: null, name: 'Anna' })).filter(([column]) => column !== 'bio'),
  )
  shop.lane.commit(updated(customers, customer(ANN, { email: null, name: 'Ann B', bio: 'longer' })))
  const [third] = shop.lane.commit(updated(customers, rest))
  await shop.applyAll()
  expect(await sightings()).toMatchObject([
    {
      name: 'Anna',
      bio: 'longer',
      position: '3',
      micros: String(third!.committedAtMicros),
      seen_by: { sales: 3 },
      note: 'mine',
    },
  ])
})

test('a change of the key takes the row along, with the event that moved it', async () => {
  shop.lane.commit(created(customers, customer(ANN, { email: null, name: 'Ann' })))
  shop.lane.commit(updated(customers, customer(BOB, { email: null, name: 'Ann' }), { id: ANN }))
  await shop.applyAll()
  expect(await sightings()).toMatchObject([{ id: BOB, name: 'Ann', position: '2' }])
})

test('events that come again change nothing: the rows are the same after a replay', async () => {
  shop.lane.commit(
    created(customers, customer(ANN, { email: null, name: 'Ann' })),
    created(customers, customer(BOB, { email: null, name: 'Bob' })),
  )
  shop.lane.commit(updated(customers, customer(ANN, { email: null, name: 'Anna' })))
  await shop.applyAll()
  const before = await shop.contents(['sightings'])
  await shop.client.query(
    'TRUNCATE clients, favourites, sightings, orders, processed_events, consumed_offsets, projector_positions',
  )
  await shop.applyAll()
  expect(await shop.contents(['sightings'])).toEqual(before)
})

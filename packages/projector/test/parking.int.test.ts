/** Promise 7: a bad event holds back its own key and nobody else. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, links, orders } from './shop-system.ts'
import { announced, created, deleted, updated } from './test-lane.ts'

const TOO_LONG = 'a-secret-address-that-is-too-long@example.org'

test('a refused event parks with names only; its key queues behind it, in this batch and later; others flow', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const [bad] = shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  const [second] = shop.lane.commit(
    updated(customers, customer(a, { email: TOO_LONG, name: 'Bo' })),
    created(customers, customer(b)),
  )
  const projector = shop.start()
  await shop.appliedBy(projector)
  const [third] = shop.lane.commit(
    updated(customers, customer(a, { name: 'Cy' })),
    updated(customers, customer(b, { name: 'Bo' })),
  )
  await shop.appliedBy(projector)
  await projector.stop()
  expect(await shop.rows('SELECT client_id, name FROM clients')).toEqual([{ client_id: b, name: 'Bo' }])
  const parked = await shop.parked()
  expect(parked.map((p) => [p.eventId, p.waitsFor, p.sqlState])).toEqual([
    [bad!.eventId, null, '22001'],
    [second!.eventId, bad!.eventId, null],
    [third!.eventId, second!.eventId, null],
  ])
  expect(parked[0]).toMatchObject({ projection: 'customers->clients', aggregateId: a, position: 1n, correlationId: 'tx-4352' })
  const texts = await shop.rows('SELECT (to_jsonb(p) - $$message$$)::text AS row FROM parked_events p')
  expect(JSON.stringify(texts)).not.toContain('secret')
  const [stored] = await shop.rows("SELECT convert_from(message, 'UTF8') AS message FROM parked_events ORDER BY position LIMIT 1")
  expect(stored!['message']).toContain(TOO_LONG)
})

test('one bad row among thousands is found without applying the others one by one', async () => {
  await using shop = await Shop.open()
  const ids = Array.from({ length: 3000 }, () => randomUUID())
  shop.lane.commit(...ids.map((id, i) => created(customers, customer(id, { email: i === 1234 ? TOO_LONG : id.slice(0, 25) }))))
  await shop.applyAll()
  expect(await shop.rows('SELECT count(*)::int AS n FROM clients')).toEqual([{ n: 2999 }])
  expect((await shop.parked()).map((p) => p.aggregateId)).toEqual([ids[1234]])
})

test('a child of a parked parent waits behind it, and so do the later events of the child', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const [parent, , child, , later] = shop.lane.commit(
    created(customers, customer(a, { email: TOO_LONG })),
    created(customers, customer(b)),
    created(orders, order('1', a)),
    created(orders, order('2', b)),
    updated(orders, order('1', a, { amount: '3.00' })),
  )
  const projector = shop.start()
  await shop.appliedBy(projector)
  const [next] = shop.lane.commit(created(orders, order('3', a)))
  await shop.appliedBy(projector)
  expect((await shop.parked()).map((p) => [p.eventId, p.waitsFor])).toEqual([
    [parent!.eventId, null],
    [child!.eventId, parent!.eventId],
    [later!.eventId, child!.eventId],
    [next!.eventId, parent!.eventId],
  ])
  expect(await shop.rows('SELECT id FROM orders')).toEqual([{ id: '2' }])
})

test('a change of key that is refused holds back both keys', async () => {
  await using shop = await Shop.open()
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()]
  shop.lane.commit(created(customers, customer(a)), created(customers, customer(c)))
  const [moved] = shop.lane.commit(updated(customers, customer(b, { email: TOO_LONG }), { id: a }))
  const projector = shop.start()
  await shop.appliedBy(projector)
  const later = shop.lane.commit(updated(customers, customer(b)), created(customers, customer(a)), deleted(customers, { id: c }))
  await shop.appliedBy(projector)
  expect((await shop.parked()).map((p) => p.eventId)).toEqual([moved!.eventId, later[0]!.eventId, later[1]!.eventId])
  expect(await shop.rows('SELECT client_id FROM clients')).toEqual([{ client_id: a }])
})

test('a deferred reference that stays broken parks the row that refers, not its commit', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(created(links, { id: '1', next: null }))
  const [bad] = shop.lane.commit(created(links, { id: '2', next: '99' }), created(links, { id: '3', next: '1' }))
  await shop.applyAll()
  expect((await shop.parked()).map((p) => [p.eventId, p.sqlState])).toEqual([[bad!.eventId, '23503']])
  expect(await shop.rows('SELECT id FROM links ORDER BY id')).toEqual([{ id: 1 }, { id: 3 }])
})

test("a handler's verdict parks the event; what it said of values is not kept", async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  const [bad] = shop.lane.commit(announced('OrderPlaced', { secret: 'hidden' }), announced('OrderPlaced', { client }))
  await shop.applyAll()
  const [parked] = await shop.parked()
  expect(parked).toMatchObject({ eventId: bad!.eventId, projection: 'count-orders' })
  expect(parked!.message).toMatch(/^handler count-orders threw TypeError at shop-system\.ts:\d+$/)
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 1 }])
})

test('a handler that catches a failure of the database and goes on has its event parked, not the projector stopped', async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  const [bad] = shop.lane.commit(announced('OrderPlaced', { client, careless: true }), announced('OrderPlaced', { client }))
  await shop.applyAll()
  const [parked, ...others] = await shop.parked()
  expect(others).toEqual([])
  expect(parked).toMatchObject({ eventId: bad!.eventId, projection: 'count-orders', sqlState: '22P02' })
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 1 }])
})

test('among the events of one commit that a handler meets, only the bad one parks', async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  const events = Array.from({ length: 300 }, (_, i) => announced('OrderPlaced', i === 123 ? {} : { client }))
  const [first] = shop.lane.commit(...events, created(customers, customer(client)))
  await shop.applyAll()
  expect((await shop.parked()).map((p) => p.position)).toEqual([first!.position + 123n])
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 299 }])
  expect(await shop.rows('SELECT FROM clients')).toHaveLength(1)
})

test('an update of a row that is missing, with a column unavailable, is refused instead of forgotten', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(updated(customers, { id: a, email: null, name: 'Bo', tier: 'basic' }))
  await shop.applyAll()
  const [parked] = await shop.parked()
  expect(parked).toMatchObject({ aggregateId: a, table: 'public.clients' })
  expect(parked!.message).toContain('0 of 1 rows were written')
})

test('a parked event delivered again is neither applied nor parked twice', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  await shop.applyAll()
  const before = await shop.contents()
  await shop.client.query('UPDATE consumed_offsets SET next_offset = 0, events = 0')
  const again = shop.start()
  await again.until((p) => p.kind === 'applied' && p.duplicates === 1)
  await again.stop()
  expect(await shop.contents()).toEqual(before)
})

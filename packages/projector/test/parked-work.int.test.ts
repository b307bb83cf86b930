/** Promise 7: retry and skip are commands, keep the order of each key, and leave a record. */
import { randomUUID } from 'node:crypto'
import { connect } from '@sluice/postgres'
import { expect, test } from 'vitest'
import { listParkedEnds, listParkedGroups, planParkedWork, showParked } from '../src/index.ts'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, orders } from './shop-system.ts'
import { announced, created, deleted, truncated, updated } from './test-lane.ts'

const TOO_LONG = 'an-address-that-is-far-too-long@example.org'
const WIDER = 'ALTER TABLE clients ALTER COLUMN email TYPE varchar(80)'

test('a retry applies the first of a key and then, in order, all that wait behind it, the children of its row too', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const [bad] = shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })), created(orders, order('1', a)))
  shop.lane.commit(
    updated(customers, customer(a, { email: TOO_LONG, name: 'Bo' })),
    updated(orders, order('1', a, { amount: '3.00' })),
    created(customers, customer(b, { email: `${TOO_LONG}!` })),
  )
  await shop.applyAll()
  const positions = await shop.rows('SELECT * FROM projector_positions, consumed_offsets ORDER BY topic, partition')
  const [first, second] = (await listParkedGroups(shop.target)).items
  expect([first, second].map((g) => [g!.eventId, g!.behind])).toEqual([
    [bad!.eventId, 3],
    [expect.any(String), 0],
  ])
  expect((await showParked(shop.target, bad!.eventId))!.behind).toHaveLength(3)

  await shop.client.query(WIDER)
  expect(await planParkedWork(shop.target, { command: 'retry', selection: { eventId: bad!.eventId } })).toEqual({
    selected: 1,
    others: 3,
    left: 0,
  })
  const outcome = await shop.work('retry', { eventId: bad!.eventId })
  expect(outcome).toMatchObject({ applied: 4, refused: 0, waiting: 0, skipped: 0 })
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Bo' }])
  expect(await shop.rows('SELECT amount FROM orders')).toEqual([{ amount: '3.00' }])
  expect((await shop.parked()).map((p) => p.aggregateId)).toEqual([b])
  expect(await shop.rows('SELECT * FROM projector_positions, consumed_offsets ORDER BY topic, partition')).toEqual(positions)
  expect(
    await shop.rows('SELECT command, requested_by, events, result, finished_at IS NOT NULL AS ended FROM parked_event_commands'),
  ).toEqual([
    {
      command: 'retry',
      requested_by: 'test',
      events: 1,
      ended: true,
      result: { applied: 4, skipped: 0, refused: 0, waiting: 0 },
    },
  ])
  expect(await shop.rows('SELECT position, result FROM parked_event_results ORDER BY position')).toEqual(
    ['1', '2', '3', '4'].map((position) => ({ position, result: 'applied' })),
  )
})

test('a retry of one that waits begins at the first of its key', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  await shop.applyAll()
  const [waits] = shop.lane.commit(updated(customers, customer(a, { name: 'Bo' })))
  await shop.applyAll()
  await shop.client.query(WIDER)
  expect(await shop.work('retry', { eventId: waits!.eventId })).toMatchObject({ selected: 1, others: 1, applied: 2 })
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Bo' }])
})

test('what is refused again is parked again with one attempt more, and its key goes on waiting', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })), created(customers, customer(b, { email: TOO_LONG })))
  shop.lane.commit(updated(customers, customer(a)))
  await shop.applyAll()
  const before = await shop.rows('SELECT event_id, waits_for, parked_at FROM parked_events ORDER BY position')
  const outcome = await shop.work('retry', {})
  expect(outcome).toMatchObject({ applied: 0, refused: 2, waiting: 1 })
  expect(outcome.refusals[0]!.message).toContain('22001')
  expect(await shop.rows('SELECT event_id, waits_for, parked_at FROM parked_events ORDER BY position')).toEqual(before)
  expect((await shop.parked()).map((p) => p.attempts)).toEqual([2, 2, 1])
  expect(await shop.rows('SELECT FROM clients')).toEqual([])
  expect(await shop.rows('SELECT FROM parked_event_results')).toEqual([])
})

test('selections: by key, by topic, by error', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(
    created(customers, customer(a, { email: TOO_LONG })),
    created(customers, customer(b)),
    created(orders, order('1', b, { amount: '-1' })),
    updated(orders, order('1', b)),
    announced('OrderPlaced', {}),
  )
  await shop.applyAll()
  const meant = async (selection: Parameters<Shop['work']>[1]): Promise<readonly [number, number]> => {
    const plan = await planParkedWork(shop.target, { command: 'retry', selection })
    return [plan.selected, plan.others]
  }
  expect(await meant({})).toEqual([4, 0])
  expect(await meant({ aggregate: { type: 'Customer', id: a } })).toEqual([1, 0])
  expect(await meant({ topic: 'shop.orders' })).toEqual([2, 0])
  expect(await meant({ error: '23514' })).toEqual([1, 1])
  expect(await meant({ error: 'SLU-5020', topic: 'shop.events' })).toEqual([1, 0])
})

test('a skipped event has no effect; those behind it go on, and it stays known who gave it up and why', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  const [bad] = shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  const projector = shop.start()
  await shop.appliedBy(projector)
  const [fine] = shop.lane.commit(updated(customers, customer(a, { name: 'Bo' })))
  await shop.appliedBy(projector)
  expect(await shop.work('skip', { eventId: bad!.eventId })).toMatchObject({ skipped: 1, applied: 1, others: 1 })
  expect(await shop.parked()).toEqual([])
  expect(
    await shop.rows(
      'SELECT r.event_id, r.result, c.command, c.requested_by FROM parked_event_results r JOIN parked_event_commands c ON c.id = r.command_id ORDER BY position',
    ),
  ).toEqual([
    { event_id: bad!.eventId, result: 'skipped', command: 'skip', requested_by: 'test' },
    { event_id: fine!.eventId, result: 'applied', command: 'skip', requested_by: 'test' },
  ])
  shop.lane.commit(updated(customers, customer(a, { name: 'Cy' })))
  await shop.appliedBy(projector)
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Cy' }])
})

test('skipping one in the middle of a key leaves the others behind the first', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  const [first, middle, last] = shop.lane.commit(
    created(customers, customer(a, { email: TOO_LONG })),
    updated(customers, customer(a, { email: TOO_LONG, name: 'Bo' })),
    updated(customers, customer(a, { email: TOO_LONG, name: 'Cy' })),
  )
  await shop.applyAll()
  expect(await shop.work('skip', { eventId: middle!.eventId })).toMatchObject({ skipped: 1, applied: 0, waiting: 1 })
  expect((await shop.parked()).map((p) => [p.eventId, p.waitsFor])).toEqual([
    [first!.eventId, null],
    [last!.eventId, first!.eventId],
  ])
})

test('in transactions of one event each, the order of a key is the same', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(
    created(customers, customer(a, { email: TOO_LONG })),
    created(customers, customer(b, { email: TOO_LONG.slice(1) })),
  )
  shop.lane.commit(updated(customers, customer(a, { name: 'Bo' })), created(orders, order('1', a)), deleted(customers, { id: b }))
  await shop.applyAll()
  await shop.client.query(WIDER)
  expect(await shop.work('retry', {}, { transactionEventsMax: 1 })).toMatchObject({ applied: 5, refused: 0, waiting: 0 })
  expect(await shop.rows('SELECT client_id, name FROM clients')).toEqual([{ client_id: a, name: 'Bo' }])
  expect(await shop.rows('SELECT id FROM orders')).toEqual([{ id: '1' }])
})

test('a change of key that waits behind two keys goes only after both', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const [badA, badB] = shop.lane.commit(
    created(customers, customer(a, { email: TOO_LONG })),
    created(customers, customer(b, { email: `${TOO_LONG}!` })),
  )
  shop.lane.commit(deleted(customers, { id: b }), updated(customers, customer(b), { id: a }))
  await shop.applyAll()
  await shop.client.query(WIDER)
  const one = await shop.work('retry', { eventId: badA!.eventId })
  expect(one.applied + one.waiting).toBe(one.selected + one.others)
  expect(await shop.rows('SELECT client_id FROM clients')).toEqual([{ client_id: a }])
  await shop.work('retry', { eventId: badB!.eventId })
  await shop.work('retry', {})
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT client_id FROM clients')).toEqual([{ client_id: b }])
})

test('while a retry works, the running projector waits, and what comes later stays behind', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  const projector = shop.start()
  await shop.appliedBy(projector)
  await shop.client.query(WIDER)
  // The retry stands in the middle of its transaction: it holds the lane's row and waits for the table.
  await using blocker = await blockTable(shop, 'clients')
  const retrying = shop.work('retry', {})
  await blocker.isWaitedFor()
  shop.lane.commit(updated(customers, customer(a, { name: 'Bo' })))
  await blocker.release()
  expect(await retrying).toMatchObject({ applied: 1 })
  await shop.appliedBy(projector)
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Bo' }])
})

test.each(['retry', 'skip'] as const)(
  'what the projector parks behind an event while a %s is about to take that is worked on too',
  async (command) => {
    await using shop = await Shop.open()
    const a = randomUUID()
    const [bad] = shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
    const projector = shop.start()
    await shop.appliedBy(projector)
    await shop.client.query(WIDER)
    // Both wait for the lane's row: the projector with the next event of the key first, then the command, which has looked already.
    await using holder = await holdLanes(shop)
    shop.lane.commit(created(orders, order('1', a)), updated(customers, customer(a, { name: 'Bo' })))
    await sessionsWaiting(shop, 1)
    const working = shop.work(command, { error: '22001' })
    await sessionsWaiting(shop, 2)
    await holder.release()
    expect(await working).toMatchObject({ selected: 1, others: 2, left: 0 })
    await shop.appliedBy(projector)
    expect((await shop.parked()).map((event) => event.eventId)).not.toContain(bad!.eventId)
    if (command === 'retry') {
      expect(await shop.parked()).toEqual([])
      expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Bo' }])
    }
  },
)

test('a command that was stopped between two of its transactions leaves nothing that the next one of the same error does not take', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  shop.lane.commit(updated(customers, customer(a, { name: 'Bo' })), updated(customers, customer(a, { name: 'Cy' })))
  await shop.applyAll()
  await shop.client.query(WIDER)
  const stop = new AbortController()
  const first = await shop.work('retry', { error: '22001' }, { transactionEventsMax: 1 }, null, stop)
  expect(first).toMatchObject({ applied: 1, left: 2 })
  expect(await shop.work('retry', { error: '22001' })).toMatchObject({ selected: 0, others: 2, applied: 2, left: 0 })
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Cy' }])
})

test('killed in the middle of a retry, nothing of it is left, and the next one does it all', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(
    created(customers, customer(a, { email: TOO_LONG })),
    updated(customers, customer(a, { email: TOO_LONG, name: 'Bo' })),
  )
  await shop.applyAll()
  await shop.client.query(WIDER)
  const before = await shop.contents()
  await using blocker = await blockTable(shop, 'clients')
  const retrying = shop.work('retry', {})
  retrying.catch(() => undefined)
  await blocker.isWaitedFor()
  await shop.client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice parked retry'")
  await expect(retrying).rejects.toMatchObject({ code: 'POSTGRES_CONNECTION_LOST' })
  await blocker.release()
  expect(await shop.contents()).toEqual(before)
  expect(await shop.rows('SELECT finished_at, result FROM parked_event_commands')).toEqual([{ finished_at: null, result: null }])
  expect(await shop.work('retry', {})).toMatchObject({ applied: 2 })
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Bo' }])
})

test('a truncate closes the parked events below it: a retry can not bring a row back', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const [stored] = shop.lane.commit(created(customers, customer(a, { email: TOO_LONG })))
  await shop.applyAll()
  const [same, wipe] = shop.lane.commit(created(customers, customer(b, { email: TOO_LONG })), truncated(customers))
  shop.lane.commit(created(customers, customer(a)), created(customers, customer(b)))
  await shop.applyAll()
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT event_id, result, closed_by FROM parked_event_results ORDER BY position')).toEqual([
    { event_id: stored!.eventId, result: 'closed', closed_by: wipe!.eventId },
    { event_id: same!.eventId, result: 'closed', closed_by: wipe!.eventId },
  ])
  const ends = await listParkedEnds(shop.target, { limit: 10 })
  expect(ends.map((end) => [end.eventId, end.result, end.closedBy])).toEqual([
    [same!.eventId, 'closed', wipe!.position],
    [stored!.eventId, 'closed', wipe!.position],
  ])
  expect(await listParkedEnds(shop.target, { limit: 10, eventId: stored!.eventId })).toEqual([ends[1]])
  expect(await shop.work('retry', { eventId: stored!.eventId })).toMatchObject({ selected: 0, applied: 0 })
  expect(await shop.rows('SELECT count(*)::int AS n FROM clients')).toEqual([{ n: 2 }])
})

test('what comes after a parked truncate waits for it: applied late, it would take newer rows with it', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(created(customers, customer(a)))
  await shop.applyAll()
  await shop.client.query('CREATE TABLE guests (client uuid REFERENCES clients)')
  await shop.client.query('INSERT INTO guests SELECT client_id FROM clients')
  const [wipe] = shop.lane.commit(truncated(customers))
  await shop.applyAll()
  const [later] = shop.lane.commit(created(customers, customer(b)))
  await shop.applyAll()
  expect(await shop.rows('SELECT event_id, waits_for FROM parked_events ORDER BY position')).toEqual([
    { event_id: wipe!.eventId, waits_for: null },
    { event_id: later!.eventId, waits_for: wipe!.eventId },
  ])
  await shop.client.query('DROP TABLE guests')
  expect(await shop.work('retry', {})).toMatchObject({ applied: 2, refused: 0 })
  expect(await shop.rows('SELECT client_id FROM clients')).toEqual([{ client_id: b }])
})

interface Blocker extends AsyncDisposable {
  /** Resolves when another session waits for the table. */
  isWaitedFor(): Promise<void>
  release(): Promise<void>
}

async function blockTable(shop: Shop, table: string): Promise<Blocker> {
  const client = await connect(shop.target, { applicationName: 'blocker' })
  await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
  return {
    isWaitedFor: async () => {
      for (;;) {
        const { rows } = await client.query(`SELECT FROM pg_locks WHERE relation = '${table}'::regclass AND NOT granted`)
        if (rows.length > 0) return
      }
    },
    release: async () => {
      await client.query('COMMIT')
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}

/** Awaits that so many sessions of the database wait for a lock. */
async function sessionsWaiting(shop: Shop, count: number): Promise<void> {
  for (;;) {
    const rows = await shop.rows(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
    if (rows.length === count) return
  }
}

/** Holds what every transaction of projector and command takes first. */
async function holdLanes(shop: Shop): Promise<Pick<Blocker, 'release' | typeof Symbol.asyncDispose>> {
  const client = await connect(shop.target, { applicationName: 'holder' })
  await client.query('BEGIN; SELECT FROM projector_positions FOR UPDATE')
  return {
    release: async () => {
      await client.query('COMMIT')
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}

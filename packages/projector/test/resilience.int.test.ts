/** Killed, cut off or stopped at any moment: what is committed is whole, and the rest comes once. */
import { randomUUID } from 'node:crypto'
import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { type RunningProjector, Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, orders } from './shop-system.ts'
import { announced, created, updated } from './test-lane.ts'

test('its connection is cut again and again: every event takes effect once, and no commit is seen in part', async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  const commits = 60
  const ended = new Set<RunningProjector>()
  const start = (): RunningProjector => {
    const one = shop.start()
    const note = (): unknown => ended.add(one)
    one.ended.then(note, note)
    return one
  }
  let projector = start()
  const torn: unknown[] = []
  for (let i = 0; i < commits; i++) {
    shop.lane.commit(
      announced('OrderPlaced', { client }),
      created(orders, order(`${2 * i}`, null)),
      created(orders, order(`${2 * i + 1}`, null)),
    )
    await shop.client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice projector%'`,
    )
    const [seen] = await shop.rows(
      'SELECT (SELECT count(*)::int FROM orders) AS orders, coalesce((SELECT orders FROM order_counts), 0) AS counted',
    )
    if (seen!['orders'] !== 2 * Number(seen!['counted'])) torn.push(seen)
    if (ended.has(projector)) projector = start()
  }
  for (let done = false; !done;) {
    try {
      await shop.appliedBy(projector)
      done = true
    } catch {
      projector = start()
    }
  }
  expect(torn).toEqual([])
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: commits }])
  expect(await shop.rows('SELECT count(*)::int AS n FROM processed_events')).toEqual([{ n: commits * 3 }])
})

test('a lock of the service holds the batch up and nothing is lost; a stop gives it up after the grace time', async () => {
  await using shop = await Shop.open()
  const id = randomUUID()
  shop.lane.commit(created(customers, customer(id)))
  const projector = shop.start({ stopGraceMs: 200 })
  await shop.appliedBy(projector)
  await shop.client.query('BEGIN')
  await shop.client.query('LOCK TABLE clients')
  shop.lane.commit(updated(customers, customer(id, { name: 'Bo' })))
  await projector.stop()
  await shop.client.query('COMMIT')
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: customer(id)['name'] }])
  await shop.applyAll()
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Bo' }])
})

/** What may pass by itself: a serialization failure, a deadlock, a server that is out of memory. */
const PASSING = ['40001', '40P01', '53200'] as const

/** Customers of this name are refused once with each SQLSTATE, whatever is undone, and taken then; those called "Never" always, with 23514. */
async function refuseFirst(shop: Shop, name: string, sqlStates: readonly string[]): Promise<void> {
  await shop.client.query(`
    CREATE SEQUENCE attempts;
    CREATE FUNCTION refuse_first() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE state text := CASE NEW.name
      WHEN 'Never' THEN '23514'
      WHEN '${name}' THEN ('{${sqlStates.join()}}'::text[])[nextval('attempts')]
    END;
    BEGIN
      IF state IS NOT NULL THEN RAISE EXCEPTION 'planted' USING ERRCODE = state; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_first BEFORE INSERT OR UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION refuse_first()`)
}

function retriesOf({ progress }: RunningProjector): readonly unknown[] {
  return progress.flatMap((p) => (p.kind === 'retrying' ? [[p.attempt, p.error instanceof SluiceError && p.error.why]] : []))
}

test('what PostgreSQL refuses for now is tried again, and told each time, until it is applied, once; nothing is parked', async () => {
  await using shop = await Shop.open()
  await refuseFirst(shop, 'Busy', PASSING)
  const client = randomUUID()
  shop.lane.commit(announced('OrderPlaced', { client }), created(customers, customer(client, { name: 'Busy' })))
  const projector = await shop.applyAll()
  expect(retriesOf(projector)).toEqual(PASSING.map((state, i) => [i + 1, `SQLSTATE ${state}: planted`]))
  expect(projector.progress.filter((p) => p.kind === 'applied')).toMatchObject([{ applied: 2, duplicates: 0, parked: 0 }])
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Busy' }])
  // A handler adds up: of the attempts that failed nothing stayed.
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 1 }])
})

test('what a constraint refuses is parked at once, alone; what is refused for now in the same commit is not parked with it', async () => {
  await using shop = await Shop.open()
  await refuseFirst(shop, 'Busy', PASSING)
  const projector = shop.start()
  const [bad] = shop.lane.commit(created(customers, customer(randomUUID(), { name: 'Never' })))
  await shop.appliedBy(projector)
  expect((await shop.parked()).map((p) => [p.eventId, p.sqlState])).toEqual([[bad!.eventId, '23514']])
  expect(retriesOf(projector)).toEqual([])

  const [alsoBad] = shop.lane.commit(
    created(customers, customer(randomUUID(), { name: 'Never' })),
    created(customers, customer(randomUUID(), { name: 'Busy' })),
  )
  await shop.appliedBy(projector)
  expect(retriesOf(projector)).toHaveLength(PASSING.length)
  expect((await shop.parked()).map((p) => p.eventId)).toEqual([bad!.eventId, alsoBad!.eventId])
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'Busy' }])
})

test('a retry of a parked event that PostgreSQL refuses for now tries again by itself, and applies it once', async () => {
  await using shop = await Shop.open()
  const id = randomUUID()
  shop.lane.commit(created(customers, customer(id, { name: 'x', email: 'x'.repeat(31) })))
  await shop.applyAll()
  await shop.client.query('ALTER TABLE clients ALTER email TYPE text')
  await refuseFirst(shop, 'x', PASSING)
  expect(await shop.work('retry', {})).toMatchObject({ applied: 1, refused: 0, waiting: 0 })
  expect(await shop.parked()).toEqual([])
  expect(await shop.rows('SELECT name FROM clients')).toEqual([{ name: 'x' }])
  expect(await shop.rows(`SELECT last_value::int AS attempts FROM attempts`)).toEqual([{ attempts: PASSING.length + 1 }])
})

test('a commit that the relay had to split becomes visible in parts; a smaller one never does', async () => {
  await using shop = await Shop.open()
  const projector = shop.start({ batchEventsMax: 10 })
  for (let i = 0; i < 25; i++) shop.lane.write(created(orders, order(`${i}`, null)))
  shop.lane.publish({ commitEnd: false })
  await shop.appliedBy(projector)
  shop.lane.write(created(orders, order('25', null)))
  shop.lane.publish({ commitEnd: false })
  shop.lane.commit(created(orders, order('26', null)))
  await shop.appliedBy(projector)
  const through = projector.progress.flatMap((p) => (p.kind === 'applied' ? [p.through] : []))
  expect(through).toEqual([25n, 27n])
})

test('a service that is slow gets smaller transactions, each of whole source commits, and everything once', async () => {
  await using shop = await Shop.open()
  await shop.client.query(`
    CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON order_counts FOR EACH ROW EXECUTE FUNCTION be_slow()`)
  const client = randomUUID()
  const commits = (from: number, to: number): void => {
    for (let i = from; i < to; i++) shop.lane.commit(announced('OrderPlaced', { client }), created(orders, order(`${i}`, null)))
  }
  commits(0, 50)
  const projector = shop.start({ transactionMs: 100 })
  await shop.appliedBy(projector)
  const learned = projector.progress.length
  commits(50, 100)
  await shop.appliedBy(projector)
  const applied = projector.progress.slice(learned).flatMap((p) => (p.kind === 'applied' ? [p.applied] : []))
  // A hundred events that take ten milliseconds for each of the fifty calls: about twenty events in the wanted time.
  expect(applied.length).toBeGreaterThan(3)
  expect(applied.every((events) => events % 2 === 0)).toBe(true)
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 100 }])
  expect(await shop.rows('SELECT count(*)::int AS n FROM processed_events')).toEqual([{ n: 200 }])
})

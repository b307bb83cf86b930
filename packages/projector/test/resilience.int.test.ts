/** Killed, cut off or stopped at any moment: what is committed is whole, and the rest comes once. */
import { randomUUID } from 'node:crypto'
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

/** Barriers: what `verify` asks for. The projector stops exactly where it is told, and goes on by itself when nobody asks any more. */
import { expect, test } from 'vitest'
import { readProjectorState } from '../src/index.ts'
import { Shop } from './projector-fixture.ts'
import { order } from './shop-rows.ts'
import { orders } from './shop-system.ts'
import { created } from './test-lane.ts'

async function setBarrier(shop: Shop, stopAt: bigint | null): Promise<void> {
  await shop.client.query(
    `INSERT INTO projector_barriers (lane, requested_by, stop_at, expires_at)
     VALUES (1, 'test', $1, clock_timestamp() + interval '1 h')
     ON CONFLICT (lane) DO UPDATE SET stop_at = excluded.stop_at, expires_at = excluded.expires_at, standing_at = NULL`,
    [stopAt?.toString() ?? null],
  )
}

const orderCount = async (shop: Shop): Promise<unknown> => (await shop.rows('SELECT count(*)::int AS n FROM orders'))[0]!['n']

test('a projector holds, runs to exactly the position it is given, inside a frame, and goes on when the barrier is gone', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(created(orders, order('1', null)))
  const projector = shop.start()
  await shop.appliedBy(projector)
  await setBarrier(shop, null)
  await projector.until((p) => p.kind === 'standing' && p.at === 1n)

  for (let i = 2; i <= 40; i++) shop.lane.write(created(orders, order(String(i), null)))
  shop.lane.publish()
  await setBarrier(shop, 17n)
  await projector.until((p) => p.kind === 'standing' && p.at === 17n)
  expect(await orderCount(shop)).toBe(17)
  const state = await readProjectorState(shop.target)
  expect(state.lanes.get('monolith')?.applied).toBe(17n)
  expect(state.barriers).toMatchObject([{ lane: 1, stopAt: 17n, standingAt: 17n }])

  await shop.client.query('DELETE FROM projector_barriers')
  await shop.appliedBy(projector)
  expect(await orderCount(shop)).toBe(40)
})

test('a projector that starts again inside a frame goes on there', async () => {
  await using shop = await Shop.open()
  for (let i = 1; i <= 40; i++) shop.lane.write(created(orders, order(String(i), null)))
  shop.lane.publish()
  await setBarrier(shop, 23n)
  const first = shop.start()
  await first.until((p) => p.kind === 'standing' && p.at === 23n)
  await first.stop()
  await shop.client.query('DELETE FROM projector_barriers')
  const { progress } = await shop.applyAll()
  expect(progress.flatMap((p) => (p.kind === 'applied' ? [p.applied] : [])).reduce((a, b) => a + b, 0)).toBe(17)
  expect(progress.some((p) => p.kind === 'applied' && p.duplicates > 0)).toBe(false)
  expect(await orderCount(shop)).toBe(40)
})

test('a barrier that nobody renews holds no longer than it says', async () => {
  await using shop = await Shop.open()
  await setBarrier(shop, null)
  shop.lane.commit(created(orders, order('1', null)))
  const projector = shop.start()
  await projector.until((p) => p.kind === 'standing' && p.at === 0n)
  expect(await orderCount(shop)).toBe(0)
  await shop.client.query(`UPDATE projector_barriers SET expires_at = clock_timestamp() + interval '0.2 s'`)
  await shop.appliedBy(projector)
  expect(await orderCount(shop)).toBe(1)
})

test('a lane without any event stands at 0', async () => {
  await using shop = await Shop.open()
  await setBarrier(shop, null)
  const projector = shop.start()
  await projector.until((p) => p.kind === 'standing' && p.at === 0n && p.lane === 1)
})

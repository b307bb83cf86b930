/** Claimed values: fetched when their events take effect, in bounded bytes, and only if they are what was claimed. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { ClaimOffice } from './claim-office.ts'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, links, orders } from './shop-system.ts'
import { type Change, created, deleted, updated } from './test-lane.ts'

const MEBIBYTE = 1024 * 1024

/** A row without one of its columns. */
function without<Row extends object>(row: Row, column: string): Record<string, string | null> {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== column))
}

const claiming = (change: Change, claims: Change['claims']): Change => ({ ...change, claims: claims ?? [] })

test('claimed values arrive byte for byte, a commit of 40 MB in one transaction, and a later change is merged over them', async () => {
  await using office = await ClaimOffice.open()
  await using shop = await Shop.open()
  const ids = Array.from({ length: 20 }, () => randomUUID())
  const bio = (i: number): string => `${i} größer "\\\n`.repeat((2 * MEBIBYTE) / 16)
  const changes: Change[] = []
  for (const [i, id] of ids.entries()) {
    const claims = await office.claim({ bio: bio(i) })
    changes.push(claiming(created(customers, without(customer(id), 'bio')), claims))
  }
  const data = JSON.stringify({ text: 'x'.repeat(MEBIBYTE) })
  changes.push(claiming(created(orders, without(order('1', ids[0]!), 'data')), await office.claim({ data })))
  changes.push(updated(customers, { ...without(customer(ids[1]!), 'bio'), name: 'Bo' }))
  changes.push(updated(customers, customer(ids[2]!, { bio: 'short' })))
  shop.lane.commit(...changes)
  const projector = shop.start({}, { claims: office.target })
  await shop.appliedBy(projector)
  await projector.stop()
  const rows = await shop.rows('SELECT client_id, name, bio FROM clients')
  expect(rows).toHaveLength(20)
  for (const [i, id] of ids.entries()) {
    const row = rows.find((r) => r['client_id'] === id)!
    expect(row['bio'] === (i === 2 ? 'short' : bio(i)), `bio of customer ${i}`).toBe(true)
  }
  expect(rows.find((row) => row['client_id'] === ids[1])).toMatchObject({ name: 'Bo' })
  expect(await shop.rows(`SELECT data = '${data}' AS is_equal FROM orders`)).toEqual([{ is_equal: true }])
  expect(projector.progress.filter((p) => p.kind === 'applied' && p.applied > 0)).toHaveLength(1)
  expect(await shop.parked()).toEqual([])
})

test('an event whose value is missing is parked with its own code, its key waits, and a retry applies both once it is there', async () => {
  await using office = await ClaimOffice.open()
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  const { claims, store } = office.later({ bio: 'secret biography' })
  // The deferred constraint holds over the whole commit, though one of its events is parked.
  shop.lane.commit(
    created(links, { id: '1', next: '2' }),
    claiming(created(customers, without(customer(a), 'bio')), claims),
    updated(customers, customer(a, { name: 'Bo' })),
    created(customers, customer(b)),
    created(links, { id: '2', next: '1' }),
  )
  const projector = shop.start({}, { claims: office.target })
  await shop.appliedBy(projector)
  await projector.stop()
  expect(await shop.rows('SELECT client_id FROM clients')).toEqual([{ client_id: b }])
  expect(await shop.rows('SELECT count(*)::int AS n FROM links')).toEqual([{ n: 2 }])
  const parked = await shop.parked()
  expect(parked.map((p) => [p.errorCode, p.column, p.projection, p.waitsFor])).toEqual([
    ['SLU-5040', 'bio', 'customers->clients', null],
    ['SLU-5020', null, '', parked[0]!.eventId],
  ])

  expect(await shop.work('retry', { error: 'SLU-5040' }, {}, office.target)).toMatchObject({ applied: 0, refused: 1, waiting: 1 })
  await store()
  expect(await shop.work('retry', { error: 'SLU-5040' }, {}, office.target)).toMatchObject({ applied: 2, refused: 0 })
  expect(await shop.rows(`SELECT name FROM clients WHERE client_id = '${a}'`)).toEqual([{ name: 'Bo' }])
  expect(await shop.parked()).toEqual([])
})

test('another value under the claim is as bad as none', async () => {
  await using office = await ClaimOffice.open()
  await using shop = await Shop.open()
  const claims = await office.claim({ bio: 'as it was captured' })
  await office.client.query(`UPDATE claims SET value = 'as it was changed!'`)
  shop.lane.commit(claiming(created(customers, without(customer(randomUUID()), 'bio')), claims))
  const projector = shop.start({}, { claims: office.target })
  await shop.appliedBy(projector)
  expect((await shop.parked()).map((p) => p.errorCode)).toEqual(['SLU-5040'])
  expect(await shop.rows('SELECT FROM clients')).toEqual([])
})

test('what no projection reads is not asked for', async () => {
  await using shop = await Shop.open()
  await using office = await ClaimOffice.open()
  const id = randomUUID()
  const gone = office.later({ bio: 'of the old row' }, 'before')
  shop.lane.commit(
    created(customers, customer(id)),
    claiming(updated(customers, customer(id, { name: 'Bo' }), without(customer(id), 'bio')), gone.claims),
    claiming(deleted(customers, without(customer(id), 'bio')), gone.claims),
  )
  await shop.applyAll()
  expect(await shop.rows('SELECT FROM clients')).toEqual([])
  expect(await shop.parked()).toEqual([])
})

test('while the pipeline database turns the projector away nothing is parked; it goes on by itself afterwards', async () => {
  await using office = await ClaimOffice.open()
  await using shop = await Shop.open()
  const claims = await office.claim({ bio: 'long' })
  await office.close()
  shop.lane.commit(claiming(created(customers, without(customer(randomUUID()), 'bio')), claims))
  const projector = shop.start({}, { claims: office.target })
  await projector.until((p) => p.kind === 'retrying' && p.attempt === 2)
  expect(await shop.parked()).toEqual([])
  await office.reopen()
  await shop.appliedBy(projector)
  await projector.stop()
  expect(await shop.rows('SELECT bio FROM clients')).toEqual([{ bio: 'long' }])
})

test('a projector that was not told where claims are ends at the first one, with the setting', async () => {
  await using office = await ClaimOffice.open()
  await using shop = await Shop.open()
  const claims = await office.claim({ bio: 'long' })
  shop.lane.commit(claiming(created(customers, without(customer(randomUUID()), 'bio')), claims))
  await expect(shop.start().ended).rejects.toMatchObject({ code: 'CLAIMS_NOT_NAMED' })
  expect(await shop.rows('SELECT FROM processed_events')).toEqual([])
})

/** Edits of parked events: what takes effect in this service, what is kept of it, and what can not be edited. */
import { randomUUID } from 'node:crypto'
import { type RowText, textSha256 } from '@sluice/core'
import { expect, test } from 'vitest'
import { editParked } from '../src/index.ts'
import { ClaimOffice } from './claim-office.ts'
import { Shop } from './projector-fixture.ts'
import { customer } from './shop-rows.ts'
import { SERVICE, customers, links, shop as system } from './shop-system.ts'
import { announced, created, deleted, jsonDecoder, truncated, updated } from './test-lane.ts'

const TOO_LONG = 'a-secret-address-that-is-too-long@example.org'

function edit(shop: Shop, eventId: string, values: RowText, isDryRun = false) {
  const options = { system, service: SERVICE, target: shop.target, decoder: jsonDecoder }
  return editParked(options, { eventId, values, requestedBy: 'ada', reason: 'too long', isDryRun })
}

/** The edits as they stand, without their times. */
const editsIn = (shop: Shop) =>
  shop.rows(
    `SELECT column_name AS column, value, encode(old_sha256, 'hex') AS old, encode(new_sha256, 'hex') AS new, requested_by AS by,
       reason, applied_at IS NOT NULL AS applied FROM parked_event_edits ORDER BY id`,
  )

test('a retry applies the event with its last edits; the message stays, and of the values only hashes do', async () => {
  await using shop = await Shop.open()
  const id = randomUUID()
  const [bad] = shop.lane.commit(
    created(customers, customer(id, { email: TOO_LONG, bio: 'kept' })),
    updated(customers, customer(id, { email: TOO_LONG, name: 'Bo' })),
  )
  await shop.applyAll()
  const eventId = bad!.eventId
  const [before] = await shop.rows('SELECT message FROM parked_events ORDER BY position LIMIT 1')

  expect(await edit(shop, eventId, { email: 'short@example.org' }, true)).toEqual([
    { column: 'email', from: TOO_LONG, to: 'short@example.org' },
  ])
  expect(await editsIn(shop)).toEqual([])
  await edit(shop, eventId, { email: 'first@example.org', name: 'Zoë' })
  await edit(shop, eventId, { email: null })
  expect(await shop.rows('SELECT FROM clients')).toEqual([])
  expect((await shop.rows('SELECT message FROM parked_events ORDER BY position LIMIT 1'))[0]).toEqual(before)

  // The second event of the key was not edited, and is refused as before.
  expect(await shop.work('retry', { eventId })).toMatchObject({ applied: 1, refused: 1 })
  expect(await shop.rows('SELECT email, name, bio FROM clients')).toEqual([{ email: null, name: 'Zoë', bio: 'kept' }])
  const common = { by: 'ada', reason: 'too long', value: null }
  expect(await editsIn(shop)).toEqual([
    { ...common, column: 'email', old: textSha256(TOO_LONG), new: textSha256('first@example.org'), applied: false },
    { ...common, column: 'name', old: textSha256(customer(id)['name'] ?? ''), new: textSha256('Zoë'), applied: true },
    { ...common, column: 'email', old: textSha256(TOO_LONG), new: null, applied: true },
  ])
  expect(await edit(shop, eventId, { email: null })).toBeNull()
})

test('an edit that is refused too stays with its event; one that is given up or ended by a truncate is not applied, and its value goes', async () => {
  await using shop = await Shop.open()
  const [bad] = shop.lane.commit(created(customers, customer(randomUUID(), { email: TOO_LONG })))
  await shop.applyAll()
  await edit(shop, bad!.eventId, { email: `still-${TOO_LONG}` })
  expect(await shop.work('retry', { error: '22' })).toMatchObject({ applied: 0, refused: 1 })
  expect(await editsIn(shop)).toMatchObject([{ value: `still-${TOO_LONG}`, applied: false }])
  await shop.work('skip', { eventId: bad!.eventId })
  expect(await editsIn(shop)).toMatchObject([{ value: null, applied: false }])
  expect(await shop.rows('SELECT FROM clients')).toEqual([])

  const [link] = shop.lane.commit(created(links, { id: '1', next: '99' }))
  await shop.applyAll()
  await edit(shop, link!.eventId, { next: '98' })
  shop.lane.commit(truncated(links))
  await shop.applyAll()
  expect(await shop.parked()).toEqual([])
  expect((await editsIn(shop)).at(-1)).toMatchObject({ column: 'next', value: null, applied: false })
})

test('an edit takes the place of a claimed value that can not be had', async () => {
  await using office = await ClaimOffice.open()
  await using shop = await Shop.open()
  const { claims } = office.later({ bio: 'lost' })
  const { bio, ...row } = customer(randomUUID())
  const [bad] = shop.lane.commit({ ...created(customers, row), claims })
  const projector = shop.start({}, { claims: office.target })
  await shop.appliedBy(projector)
  await projector.stop()
  expect((await shop.parked()).map((p) => p.errorCode)).toEqual(['SLU-5040'])
  expect(await edit(shop, bad!.eventId, { bio: 'written anew' })).toEqual([{ column: 'bio', to: 'written anew' }])
  expect(await shop.work('retry', { error: 'SLU-50' }, {}, office.target)).toMatchObject({ applied: 1 })
  expect(await shop.rows('SELECT bio FROM clients')).toEqual([{ bio: 'written anew' }])
  expect(bio).not.toBe('written anew')
})

test('a key, a column that is not there, a delete and an own event are not edited', async () => {
  await using shop = await Shop.open()
  const id = randomUUID()
  const [bad, , own] = shop.lane.commit(
    created(customers, customer(id, { email: TOO_LONG })),
    deleted(customers, { id }),
    announced('OrderPlaced', {}),
  )
  await shop.applyAll()
  const [, removal] = await shop.parked()
  const refusals = [
    [bad!.eventId, { id: randomUUID() }, /part of the key/],
    [bad!.eventId, { nick: 'x' }, /no column "nick"/],
    [removal!.eventId, { email: null }, /no new row/],
    [own!.eventId, { email: null }, /no new row/],
  ] as const
  for (const [eventId, values, why] of refusals) {
    await expect(edit(shop, eventId, values)).rejects.toMatchObject({
      code: 'EDIT_REFUSED',
      why: expect.stringMatching(why) as string,
    })
  }
  expect(await editsIn(shop)).toEqual([])
})

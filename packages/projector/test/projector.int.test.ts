/** Promise 6: rows, processed events and consumed offsets in one transaction, whatever is delivered how often. */
import { randomUUID } from 'node:crypto'
import { ERROR_CODES, isSluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { GROUP, type RunningProjector, Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, links, orders } from './shop-system.ts'
import { announced, created, deleted, truncated, updated } from './test-lane.ts'

test('a row arrives whole: renamed, transformed, filtered, with enums, arrays and json', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(
    created(customers, customer(a, { tier: 'gold' })),
    created(customers, customer(b)),
    created(orders, order('1', a)),
  )
  await shop.applyAll()
  expect(await shop.rows('SELECT email, name, shout, tier::text FROM clients ORDER BY tier DESC')).toEqual([
    { email: `${a.slice(0, 8)}@example.org`, name: 'Ada Łovelace "\\', shout: 'ADA ŁOVELACE "\\', tier: 'gold' },
    { email: `${b.slice(0, 8)}@example.org`, name: 'Ada Łovelace "\\', shout: 'ADA ŁOVELACE "\\', tier: 'basic' },
  ])
  expect(await shop.rows('SELECT client_id FROM favourites')).toEqual([{ client_id: a }])
  expect(await shop.rows('SELECT amount, tags, data FROM orders')).toEqual([
    { amount: '12.50', tags: ['a', 'b c', null], data: { x: [1, null] } },
  ])
})

test('everything delivered a second time changes nothing', async () => {
  await using shop = await Shop.open()
  const id = randomUUID()
  shop.lane.commit(created(customers, customer(id)), created(orders, order('1', id)), announced('OrderPlaced', { client: id }))
  shop.lane.commit(updated(customers, customer(id, { name: 'Bo' })), deleted(orders, { id: '1' }))
  await shop.applyAll()
  const before = await shop.contents()
  await shop.client.query('UPDATE consumed_offsets SET next_offset = 0, events = 0')
  const again = shop.start()
  await again.until((p) => p.kind === 'applied' && p.duplicates > 0)
  shop.lane.commit(created(customers, customer(randomUUID())))
  await shop.appliedBy(again)
  const applied = again.progress.flatMap((p) => (p.kind === 'applied' ? [p] : []))
  expect(applied.reduce((sum, p) => sum + p.duplicates, 0)).toBe(5)
  await shop.client.query(`DELETE FROM clients WHERE client_id <> '${id}'`)
  await shop.client.query('DELETE FROM processed_events WHERE position > 5')
  expect(await shop.contents()).toEqual(before)
})

test('of two projectors that both believe to be active one gives way, and nothing is applied twice', async () => {
  await using shop = await Shop.open()
  const id = randomUUID()
  shop.lane.commit(created(customers, customer(id)))
  const first = shop.start()
  await shop.appliedBy(first)
  const second = shop.start()
  await second.until((p) => p.kind === 'standby')
  await shop.kafka.takeOverUnnoticed(GROUP)
  await second.until((p) => p.kind === 'active')
  shop.lane.commit(announced('OrderPlaced', { client: id }))
  const ends = await Promise.race(
    [first, second].map((p) =>
      p.ended.then(
        () => null,
        (error: unknown) => error,
      ),
    ),
  )
  expect(isSluiceError(ends, 'OFFSETS_MOVED')).toBe(true)
  expect(ERROR_CODES.OFFSETS_MOVED.retry).toBe('restart')
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 1 }])
})

test('offsets that somebody else moved are not moved again, and nothing is applied', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(created(customers, customer(randomUUID())))
  const projector = shop.start()
  await shop.appliedBy(projector)
  await shop.client.query(
    "UPDATE consumed_offsets SET next_offset = next_offset - 1 WHERE topic = 'sluice.shop.monolith.control'",
  )
  shop.lane.commit(created(customers, customer(randomUUID())))
  await expect(projector.ended).rejects.toMatchObject({ code: 'OFFSETS_MOVED' })
  expect(await shop.rows('SELECT FROM clients')).toHaveLength(1)
})

test('a rebalance hands over at exactly the committed position', async () => {
  await using shop = await Shop.open()
  const client = randomUUID()
  const [first, second] = [shop.start(), shop.start()]
  await Promise.all([first, second].map((one) => one.until((p) => p.kind === 'active' || p.kind === 'standby')))
  const timesActive = ({ progress }: RunningProjector): number => progress.filter((p) => p.kind === 'active').length
  let [owner, next] = timesActive(first) > 0 ? [first, second] : [second, first]
  for (let i = 0; i < 20; i++) {
    for (let j = 0; j < 20; j++) shop.lane.commit(announced('OrderPlaced', { client }))
    const taker = next
    const before = timesActive(taker)
    await shop.kafka.rebalance(GROUP)
    await taker.until(() => timesActive(taker) > before)
    next = owner
    owner = taker
  }
  const reached = (p: { kind: string; through?: bigint }): boolean => p.kind === 'applied' && p.through === shop.lane.position
  await Promise.race([first.until(reached), second.until(reached)])
  expect(await shop.rows('SELECT orders FROM order_counts')).toEqual([{ orders: 400 }])
})

test('two unique values are swapped in one transaction, as it was done in the source', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(created(customers, customer(a, { email: 'x' })), created(customers, customer(b, { email: 'y' })))
  shop.lane.commit(
    updated(customers, customer(a, { email: null })),
    updated(customers, customer(b, { email: 'x' })),
    updated(customers, customer(a, { email: 'y' })),
  )
  const { progress } = await shop.applyAll()
  expect(progress.some((p) => p.kind === 'parked')).toBe(false)
  expect(await shop.rows('SELECT email FROM clients ORDER BY client_id = $1'.replace('$1', `'${a}'`))).toEqual([
    { email: 'x' },
    { email: 'y' },
  ])
})

test('swaps of unique values cost two statements each: none is refused and tried again', async () => {
  await using shop = await Shop.open()
  // What a sequence gave is not taken back with a savepoint, so every attempt counts.
  await shop.client.query(`CREATE SEQUENCE statements;
    CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('statements'); RETURN NULL; END $$;
    CREATE TRIGGER counted BEFORE INSERT OR UPDATE ON clients FOR EACH STATEMENT EXECUTE FUNCTION count_statement()`)
  const pairs = Array.from({ length: 40 }, (_, i) => ({ a: randomUUID(), b: randomUUID(), emails: [`a${i}`, `b${i}`] as const }))
  for (const { a, b, emails } of pairs) {
    shop.lane.commit(created(customers, customer(a, { email: emails[0] })), created(customers, customer(b, { email: emails[1] })))
  }
  await shop.applyAll()
  await shop.client.query(`SELECT setval('statements', 1)`)
  for (const { a, b, emails } of pairs) {
    shop.lane.commit(
      updated(customers, customer(a, { email: null })),
      updated(customers, customer(b, { email: emails[0] })),
      updated(customers, customer(a, { email: emails[1] })),
    )
  }
  const { progress } = await shop.applyAll()
  expect(progress.filter((p) => p.kind === 'applied')).toHaveLength(1)
  const [counted] = await shop.rows(
    'SELECT last_value::int AS statements, (SELECT count(*)::int FROM clients) AS clients FROM statements',
  )
  expect(counted?.['clients']).toBe(2 * pairs.length)
  // A statement is counted as an insert and as an update.
  expect(counted?.['statements']).toBeLessThanOrEqual(2 * (2 * pairs.length + 1))
})

test('references hold over topics: parents before children, children deleted before parents', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(created(customers, customer(a)), ...['1', '2', '3', '4'].map((id) => created(orders, order(id, a))))
  const projector = shop.start()
  await shop.appliedBy(projector)
  shop.lane.commit(
    created(customers, customer(b)),
    updated(orders, order('1', b)),
    ...['2', '3', '4'].map((id) => deleted(orders, { id })),
    deleted(customers, { id: a }),
  )
  await shop.appliedBy(projector)
  expect(projector.progress.some((p) => p.kind === 'parked')).toBe(false)
  expect(await shop.rows('SELECT id, client_id FROM orders')).toEqual([{ id: '1', client_id: b }])
})

test('a key that changes moves its row in every target', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(
    created(customers, customer(a, { tier: 'gold' })),
    created(orders, order('1', null)),
    created(orders, order('2', null)),
  )
  shop.lane.commit(
    updated(customers, { ...customer(b, { tier: 'gold' }), email: 'kept@example.org' }, { id: a }),
    updated(orders, order('3', null), { id: '2' }),
    updated(orders, order('2', null), { id: '1' }),
  )
  await shop.applyAll()
  expect(await shop.rows('SELECT client_id, email FROM clients')).toEqual([{ client_id: b, email: 'kept@example.org' }])
  expect(await shop.rows('SELECT client_id FROM favourites')).toEqual([{ client_id: b }])
  expect(await shop.rows('SELECT id FROM orders ORDER BY id')).toEqual([{ id: '2' }, { id: '3' }])
})

test('an unavailable column keeps its value; a change of key keeps it too', async () => {
  await using shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(created(customers, customer(a, { bio: 'x'.repeat(9000), tier: 'gold' })))
  const projector = shop.start()
  await shop.appliedBy(projector)
  shop.lane.commit(updated(customers, { id: a, email: null, name: 'Bo', tier: 'gold' }))
  await shop.appliedBy(projector)
  shop.lane.commit(updated(customers, { id: b, email: null, name: 'Cy', tier: 'gold' }, { id: a }))
  await shop.appliedBy(projector)
  expect(await shop.rows('SELECT client_id, name, length(bio) AS bio FROM clients')).toEqual([
    { client_id: b, name: 'Cy', bio: 9000 },
  ])
  expect(await shop.rows('SELECT client_id, name, length(bio) AS bio FROM favourites')).toEqual([
    { client_id: b, name: 'Cy', bio: 9000 },
  ])
})

test('a row enters and leaves a filtered target', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  const projector = shop.start()
  const favourites = async (tier: string): Promise<number> => {
    shop.lane.commit(updated(customers, customer(a, { tier })))
    await shop.appliedBy(projector)
    return (await shop.rows('SELECT FROM favourites')).length
  }
  expect([await favourites('basic'), await favourites('gold'), await favourites('basic'), await favourites('gold')]).toEqual([
    0, 1, 0, 1,
  ])
})

test('a truncate empties what was built from its table, children first', async () => {
  await using shop = await Shop.open()
  const a = randomUUID()
  shop.lane.commit(created(customers, customer(a, { tier: 'gold' })), created(orders, order('1', a)))
  shop.lane.commit(truncated(customers), truncated(orders))
  shop.lane.commit(created(customers, customer(a)))
  const { progress } = await shop.applyAll()
  expect(progress.some((p) => p.kind === 'parked')).toBe(false)
  expect(await shop.rows('SELECT FROM orders')).toHaveLength(0)
  expect(await shop.rows('SELECT FROM favourites')).toHaveLength(0)
  expect(await shop.rows('SELECT client_id FROM clients')).toEqual([{ client_id: a }])
})

test('a reference checked at the end of the transaction may be broken inside it', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(created(links, { id: '1', next: '2' }), created(links, { id: '2', next: '1' }))
  const { progress } = await shop.applyAll()
  expect(progress.some((p) => p.kind === 'parked')).toBe(false)
  expect(await shop.rows('SELECT id, next FROM links ORDER BY id')).toEqual([
    { id: 1, next: 2 },
    { id: 2, next: 1 },
  ])
})

test('events that no projection uses move the offsets and nothing else', async () => {
  await using shop = await Shop.open()
  shop.lane.commit(announced('CartLeft', {}), created(orders, order('1', null)))
  const { progress } = await shop.applyAll()
  expect(progress.find((p) => p.kind === 'applied')).toMatchObject({ applied: 1, skipped: 1 })
  expect(await shop.rows('SELECT FROM processed_events')).toHaveLength(1)
})

test('the transaction carries a logical message, so that a reader on the service database knows it', async () => {
  await using shop = await Shop.open()
  const slot = `projector_${randomUUID().replaceAll('-', '')}`
  await shop.client.query('CREATE PUBLICATION everything FOR ALL TABLES')
  await shop.client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot])
  shop.lane.commit(created(orders, order('1', null)))
  await shop.applyAll()
  const { rows } = await shop.client.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'everything',
       'messages', 'true')`,
    [slot],
  )
  const messages = rows.map((r) => r.data.toString('latin1')).filter((text) => text.includes('sluice.projector'))
  expect(messages).toHaveLength(1)
  expect(messages[0]).toContain('{"service":"sales","lane":1,"through":"1"}')
  const [log] = await shop.rows(
    'SELECT stage, service_name, first_position::int, last_position::int, events FROM processing_batches',
  )
  expect(log).toEqual({ stage: 'projector', service_name: 'sales', first_position: 1, last_position: 1, events: 1 })
})

/** Promise 7 on the way out: an event that can not be published holds back its own key and nobody else. */
import { randomUUID } from 'node:crypto'
import { type EventDraft, type Uuid, aggregateName, tableAggregateName } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import type { RelayEvent } from '@sluice/relay'
import { type RelayParkedSelection, relayParked, relayParkedEnds, requestRelayParked, saveAggregateTopics } from '@sluice/store'
import { topicsOf } from '@sluice/system'
import { expect, test } from 'vitest'
import { RelayFixture, hooked, order, orderRow } from './relay-fixture.ts'

const LONG = 'secret'.repeat(1_000)

interface Aggregates {
  readonly a: Uuid
  readonly b: Uuid
}

function aggregates(): Aggregates {
  return { a: randomUUID() as Uuid, b: randomUUID() as Uuid }
}

function change(aggregateId: Uuid): Partial<EventDraft> {
  return { aggregateId, eventData: order('1') }
}

/** By what goes with the row: its own values would be claimed. */
function tooLarge(aggregateId: Uuid): Partial<EventDraft> {
  return { aggregateId, eventData: order('1', 'secret'), correlationId: 'c'.repeat(5_000) }
}

/** A Kafka whose topics take messages of so many bytes at most. */
function narrow(kafka: KafkaPort, bytesMax = 3_000): KafkaPort {
  return {
    ...kafka,
    admin: async () => ({ ...(await kafka.admin()), topicConfig: async () => ({ 'max.message.bytes': String(bytesMax) }) }),
  }
}

async function parkedIn(fixture: RelayFixture): Promise<readonly (readonly [bigint, bigint | null, string | null])[]> {
  const { lane } = await fixture.record()
  const rows = await relayParked(fixture.client, lane, { limit: 100 })
  return rows.map((row) => [row.position, row.waitsFor, row.errorCode])
}

/** Positions that are published; one that is in several partitions, once. */
async function positions(fixture: RelayFixture): Promise<readonly bigint[]> {
  const found = (await fixture.published()).filter(
    (e, i, all) => e.op !== 't' || all.findIndex((o) => o.position === e.position) === i,
  )
  return found.map((e) => e.position).sort((x, y) => (x < y ? -1 : 1))
}

/** Runs a relay until something was published after all. */
async function publishLate(fixture: RelayFixture, kafka: KafkaPort = fixture.kafka): Promise<void> {
  const stop = new AbortController()
  const onProgress = (event: RelayEvent): void => {
    if (event.kind === 'published') stop.abort()
  }
  await fixture.relay({ kafka, onProgress }).run(stop.signal)
}

/** Two keys; the first event of one is too large, and one more of each follows. */
async function withParked(): Promise<{ fixture: RelayFixture } & Aggregates> {
  const fixture = await RelayFixture.open()
  const { a, b } = aggregates()
  await fixture.commit([tooLarge(a), change(b)])
  await fixture.commit([change(a), change(b)])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  return { fixture, a, b }
}

test('it is parked with its error, its key queues behind it, over a restart too, and everything else is published', async () => {
  const { fixture, a, b } = await withParked()
  await fixture.commit([change(a), change(b)])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  expect(await positions(fixture)).toEqual([2n, 4n, 6n])
  expect((await fixture.controlRecords()).at(-1)).toMatchObject({ position: 6n })
  expect(await parkedIn(fixture)).toEqual([
    [1n, null, 'SLU-4004'],
    [3n, 1n, null],
    [5n, 3n, null],
  ])
  const { rows } = await fixture.client.query<{ status: string; attempts: number }>(
    'SELECT status, attempts FROM event_outbox ORDER BY position',
  )
  expect(rows.map((row) => [row.status, row.attempts])).toEqual([
    ['failed', 1],
    ['published', 1],
    ['pending', 0],
    ['published', 1],
    ['pending', 0],
    ['published', 1],
  ])
  const texts = await fixture.client.query('SELECT k::text FROM relay_parked_events k')
  expect(JSON.stringify(texts.rows)).not.toContain('secret')
  await fixture.close()
})

test('a row that its schema does not hold is parked with names only', async () => {
  const fixture = await RelayFixture.open()
  await fixture.commit([{ eventData: '{"op":"c","after":{"id":"secret-value"}}' }, {}])
  await fixture.publishAll()
  expect(await positions(fixture)).toEqual([2n])
  expect(await parkedIn(fixture)).toEqual([[1n, null, 'SLU-4203']])
  const texts = await fixture.client.query('SELECT k::text FROM relay_parked_events k')
  expect(JSON.stringify(texts.rows)).not.toContain('secret-value')
  await fixture.close()
})

test('a retry publishes the first and then those behind it, in order, and the counts of the control record hold them', async () => {
  const { fixture, a } = await withParked()
  const [first] = await relayParked(fixture.client, (await fixture.record()).lane, { limit: 1 })
  expect(await fixture.ask('retry', first!.eventId)).toMatchObject({ selected: 1, others: 1 })
  await publishLate(fixture)
  const ofKey = (await fixture.published()).filter((e) => e.aggregateId === a)
  expect(ofKey.map((e) => e.position)).toEqual([1n, 3n])
  expect(await parkedIn(fixture)).toEqual([])
  const last = (await fixture.controlRecords()).at(-1)
  expect(last).toMatchObject({ position: 4n, previous: 4n, late: [1n, 3n] })
  expect(last!.partitions.reduce((sum, p) => sum + p.events, 0n)).toBe(4n)
  const { rows } = await fixture.client.query('SELECT position, result, command_id FROM relay_parked_results ORDER BY position')
  expect(rows).toEqual([
    { position: '1', result: 'published', command_id: '1' },
    { position: '3', result: 'published', command_id: '1' },
  ])
  await fixture.close()
})

test('what is refused again stays parked with one attempt more, and its key goes on waiting', async () => {
  const { fixture, a } = await withParked()
  await fixture.ask('retry')
  await fixture.commit([change(a)])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  const { lane } = await fixture.record()
  const parked = await relayParked(fixture.client, lane, { limit: 10 })
  expect(parked.map((p) => [p.position, p.waitsFor, p.attempts, p.requested])).toEqual([
    [1n, null, 2, null],
    [3n, 1n, 0, null],
    [5n, 3n, 0, null],
  ])
  await fixture.close()
})

test('killed after the commit of a retry and before it is noted, nothing is published twice', async () => {
  const { fixture } = await withParked()
  await fixture.ask('retry')
  const killed = hooked(fixture.kafka, (step) => {
    if (step === 'committed') throw new Error('killed')
  })
  await expect(publishLate(fixture, killed)).rejects.toThrow('killed')
  expect(await parkedIn(fixture)).toHaveLength(2)
  await fixture.commit([{}])
  await fixture.publishAll()
  expect(await positions(fixture)).toEqual([1n, 2n, 3n, 4n, 5n])
  expect(await parkedIn(fixture)).toEqual([])
  await fixture.close()
})

test('killed before the commit that passes it over, it is tried again and not parked for a transaction that never was', async () => {
  const fixture = await RelayFixture.open()
  const { a, b } = aggregates()
  await fixture.commit([tooLarge(a), change(b)])
  const killed = hooked(narrow(fixture.kafka), (step) => {
    if (step === 'commit') throw new Error('killed')
  })
  await expect(fixture.publishAll({ kafka: killed })).rejects.toThrow('killed')
  await fixture.publishAll()
  expect(await positions(fixture)).toEqual([1n, 2n])
  expect(await parkedIn(fixture)).toEqual([])
  await fixture.close()
})

test('a skipped event is never published; those behind it are', async () => {
  const { fixture } = await withParked()
  const [first] = await relayParked(fixture.client, (await fixture.record()).lane, { limit: 1 })
  await fixture.ask('skip', first!.eventId)
  await publishLate(fixture)
  expect(await positions(fixture)).toEqual([2n, 3n, 4n])
  expect(await parkedIn(fixture)).toEqual([])
  await fixture.close()
})

test('a truncate closes what is parked of its table, with its position; a retry finds nothing', async () => {
  const { fixture, a } = await withParked()
  const { lane } = await fixture.record()
  const [first] = await relayParked(fixture.client, lane, { limit: 1 })
  await fixture.commit([{ eventData: '{"op":"t"}', eventType: 'OrderTruncated' }, change(a)])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  expect(await positions(fixture)).toEqual([2n, 4n, 5n, 6n])
  expect(await parkedIn(fixture)).toEqual([])
  const ends = await relayParkedEnds(fixture.client, lane, { limit: 10 })
  expect(ends.map((end) => [end.position, end.result, end.closedBy])).toEqual([
    [3n, 'closed', 5n],
    [1n, 'closed', 5n],
  ])
  expect(await relayParkedEnds(fixture.client, lane, { limit: 10, eventId: first!.eventId })).toEqual([ends[1]])
  expect(await fixture.ask('retry', first!.eventId)).toMatchObject({ selected: 0 })
  await fixture.close()
})

test("an application's own event is no row of the table: a truncate does not close it", async () => {
  const fixture = await RelayFixture.open()
  const { a } = aggregates()
  const own = (note: string): Partial<EventDraft> => ({
    aggregateId: a,
    eventType: 'OrderPraised',
    eventData: JSON.stringify({ op: 'e', payload: JSON.stringify({ note }) }),
  })
  await fixture.commit([own(LONG)])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  await fixture.commit([{ eventData: '{"op":"t"}', eventType: 'OrderTruncated' }])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  expect(await parkedIn(fixture)).toEqual([[1n, null, 'SLU-4004']])
  await fixture.ask('retry')
  await publishLate(fixture)
  expect(await positions(fixture)).toEqual([1n, 2n])
  await fixture.close()
})

test('a parked truncate holds back what comes after it in its table: published late, it would take newer rows with it', async () => {
  const fixture = await RelayFixture.open()
  const { a, b } = aggregates()
  await fixture.commit([change(a)])
  await fixture.publishAll()
  const truncate = {
    aggregateId: tableAggregateName('public.orders').id,
    eventData: '{"op":"t"}',
    eventType: 'OrderTruncated',
  }
  await fixture.commit([truncate])
  await fixture.publishAll({ kafka: narrow(fixture.kafka, 10) })
  await fixture.commit([change(b)])
  await fixture.publishAll()
  expect(await parkedIn(fixture)).toEqual([
    [2n, null, 'SLU-4004'],
    [3n, 2n, null],
  ])
  await fixture.ask('retry')
  await publishLate(fixture)
  expect(await positions(fixture)).toEqual([1n, 2n, 3n])
  expect(await parkedIn(fixture)).toEqual([])
  await fixture.close()
})

test('a full lot stops the relay at the event that has no room; all before it is published or parked', async () => {
  const fixture = await RelayFixture.open()
  const { a, b } = aggregates()
  await fixture.commit([tooLarge(a)])
  await fixture.commit([change(b)])
  await fixture.commit([tooLarge(b)])
  const kafka = narrow(fixture.kafka)
  await expect(fixture.publishAll({ kafka, limits: { parkedMax: 1 } })).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  expect(await positions(fixture)).toEqual([2n])
  expect((await parkedIn(fixture)).map(([position]) => position)).toEqual([1n])
  expect((await fixture.controlRecords()).at(-1)?.position).toBe(2n)
  await fixture.close()
})

test('what waits counts in a full lot too, and what was tried again may always go back', async () => {
  const fixture = await RelayFixture.open()
  const { a } = aggregates()
  const kafka = narrow(fixture.kafka)
  await fixture.commit([tooLarge(a)])
  await fixture.commit([change(a)])
  await expect(fixture.publishAll({ kafka, limits: { parkedMax: 1 } })).rejects.toMatchObject({ code: 'RELAY_LOT_FULL' })
  await fixture.ask('retry')
  await expect(fixture.publishAll({ kafka, limits: { parkedMax: 1 } })).rejects.toMatchObject({ code: 'RELAY_LOT_FULL' })
  expect((await parkedIn(fixture)).map(([position]) => position)).toEqual([1n])
  await fixture.close()
})

test('people select by topic and by class of the error: an own event is in its own topic, whatever aggregate it names', async () => {
  const fixture = await RelayFixture.open()
  const { a } = aggregates()
  const [orders, , events] = topicsOf(fixture.lane).map((topic) => topic.name)
  await saveAggregateTopics(fixture.client, fixture.system.name, [{ aggregateType: 'Order', topic: orders! }])
  await fixture.commit([tooLarge(a), change(a), { eventData: JSON.stringify({ op: 'e', payload: LONG }) }])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  const { lane } = await fixture.record()
  const selected = async (selection: RelayParkedSelection): Promise<readonly bigint[]> =>
    (await relayParked(fixture.client, lane, { limit: 9, selection })).map((parked) => parked.position)
  expect(await selected({ topic: orders! })).toEqual([1n, 2n])
  expect(await selected({ topic: events! })).toEqual([3n])
  expect(await selected({ error: 'SLU-40' })).toEqual([1n, 3n])
  expect(await selected({ error: 'SLU-42' })).toEqual([])
  await fixture.close()
})

test('people select by key, a key that an event moved among them, and retry it alone', async () => {
  const fixture = await RelayFixture.open()
  const { a, b } = aggregates()
  const moved = { op: 'u', before: { id: '7' }, after: orderRow('1') }
  await fixture.commit([tooLarge(a), change(a), { ...tooLarge(b), eventType: 'OrderUpdated', eventData: JSON.stringify(moved) }])
  await fixture.publishAll({ kafka: narrow(fixture.kafka) })
  const { lane } = await fixture.record()
  const selected = async (type: string, id: Uuid): Promise<readonly bigint[]> =>
    (await relayParked(fixture.client, lane, { limit: 9, selection: { aggregate: { type, id } } })).map(
      (parked) => parked.position,
    )
  expect(await selected('Order', a)).toEqual([1n, 2n])
  expect(await selected('Order', b)).toEqual([3n])
  expect(await selected('Order', aggregateName(['7']).id)).toEqual([3n])
  expect(await selected('Customer', a)).toEqual([])
  const request = {
    command: 'retry' as const,
    selection: { aggregate: { type: 'Order', id: a } },
    requestedBy: 'test',
    reason: null,
    isDryRun: false,
  }
  expect(await requestRelayParked(fixture.client, lane, request)).toMatchObject({ selected: 2, others: 0 })
  await publishLate(fixture)
  expect(await positions(fixture)).toEqual([1n, 2n])
  expect((await parkedIn(fixture)).map(([position]) => position)).toEqual([3n])
  await fixture.close()
})

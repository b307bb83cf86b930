/** A table that was changed in the source holds back its own events and nobody else's, until the definition fits them. */
import { randomUUID } from 'node:crypto'
import { schemasOfLane } from '@sluice/avro'
import { type EventDraft, type SentColumns, type Uuid, formatEventData } from '@sluice/core'
import type { RelayEvent } from '@sluice/relay'
import { relayParked } from '@sluice/store'
import { type SystemDefinition, bigint, integer, lanesOf, table, text } from '@sluice/system'
import { expect, test } from 'vitest'
import { RelayFixture, order } from './relay-fixture.ts'

const SENT: SentColumns = { id: 'bigint', title: 'text' }

function customer(aggregateId: Uuid, after: Record<string, string>, sentColumns?: SentColumns): Partial<EventDraft> {
  return {
    aggregateId,
    aggregateType: 'Customer',
    eventType: 'CustomerCreated',
    eventData: formatEventData({ op: 'c', after: { id: '1', ...after } }),
    ...(sentColumns ? { sentColumns } : {}),
  }
}

/** The system with other columns of its customers. */
function withCustomers(system: SystemDefinition, columns: Parameters<typeof table>[1]['columns']): SystemDefinition {
  const [orders, customers] = system.monolith.tables
  const other = table('customers', { aggregate: 'Customer', key: ['id'], topic: customers!.topic, columns })
  return { ...system, monolith: { ...system.monolith, tables: [orders!, other] } }
}

/** The system once its people followed the change: `name` is called `title`. */
function corrected(system: SystemDefinition): SystemDefinition {
  return withCustomers(system, { id: bigint(), title: text() })
}

test('its events are parked with the difference, others go on, and the corrected definition publishes them in order', async () => {
  const fixture = await RelayFixture.open()
  const [a, b, c] = [randomUUID() as Uuid, randomUUID() as Uuid, randomUUID() as Uuid]
  await fixture.commit([customer(a, { name: 'x' }), customer(b, { title: 'y' }, SENT), { aggregateId: c, eventData: order('1') }])
  await fixture.commit([customer(a, { title: 'z' }, SENT), { aggregateId: c, eventData: order('1') }])
  await fixture.publishAll()
  const positions = async (): Promise<readonly bigint[]> =>
    (await fixture.published()).map((e) => e.position).sort((x, y) => (x < y ? -1 : 1))
  expect(await positions()).toEqual([1n, 3n, 5n])
  const { lane } = await fixture.record()
  const parked = await relayParked(fixture.client, lane, { limit: 10 })
  expect(parked.map((row) => [row.position, row.errorCode])).toEqual([
    [2n, 'SLU-4205'],
    [4n, 'SLU-4205'],
  ])
  expect(parked[0]?.errorMessage).toContain('column name did not come; columns that the definition does not have: title text')

  const system = corrected(fixture.system)
  const [definition] = lanesOf(system)
  await fixture.ask('retry')
  const stop = new AbortController()
  const onProgress = (event: RelayEvent): void => {
    if (event.kind === 'published') stop.abort()
  }
  await fixture.relay({ system, lane: definition!, onProgress }).run(stop.signal)
  expect(await positions()).toEqual([1n, 2n, 3n, 4n, 5n])
  expect(await relayParked(fixture.client, lane, { limit: 10 })).toEqual([])
  await fixture.commit([customer(b, { title: 'fits' }, SENT)])
  await fixture.publishAll({ system, lane: definition! })
  expect(await positions()).toEqual([1n, 2n, 3n, 4n, 5n, 6n])
  await fixture.close()
})

test('a busy topic is held alone for more events than one Kafka transaction has, while another one goes on', async () => {
  const fixture = await RelayFixture.open()
  const held = 12_000
  const change = (): Partial<EventDraft> => customer(randomUUID() as Uuid, { title: 'x' }, SENT)
  await fixture.commit(Array.from({ length: held }, change))
  await fixture.commit([{ aggregateId: randomUUID() as Uuid, eventData: order('1') }])
  await fixture.publishAll()
  expect((await fixture.published()).map((e) => e.position)).toEqual([BigInt(held + 1)])
  const { lane } = await fixture.record()
  const parked = await relayParked(fixture.client, lane, { limit: held + 1 })
  expect(parked.map((row) => row.position)).toEqual(Array.from({ length: held }, (_, i) => BigInt(i + 1)))
  await fixture.close()
})

test('a topic whose schema the registry refuses waits alone, and says how the schemas differ', async () => {
  const fixture = await RelayFixture.open()
  // Another definition of the topic was here before.
  const other = withCustomers(fixture.system, { id: bigint(), name: integer() })
  const earlier = schemasOfLane(other, lanesOf(other)[0]!).find(({ topic }) => topic === other.monolith.tables[1]!.topic.name)!
  await fixture.registry.ensure(earlier.subject, earlier.schema)
  await fixture.commit([
    customer(randomUUID() as Uuid, { name: 'x' }),
    { aggregateId: randomUUID() as Uuid, eventData: order('1') },
  ])
  await fixture.publishAll()
  expect((await fixture.published()).map((e) => e.position)).toEqual([2n])
  const { lane } = await fixture.record()
  const [parked, ...others] = await relayParked(fixture.client, lane, { limit: 10 })
  expect(others).toEqual([])
  expect(parked).toMatchObject({ position: 1n, errorCode: 'SLU-4202' })
  expect(parked!.errorMessage).toContain(`the schema of ${earlier.subject} is not compatible with the registered one`)
  expect(parked!.errorMessage).toContain('CustomerRow.name was null or int, is null or string')
  await fixture.close()
})

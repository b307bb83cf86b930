import { createTestDatabase } from '@sluice/infra'
import {
  type EventDraft,
  type Uuid,
  aggregateName,
  correlationUuid,
  epochMicros,
  lsnOf,
  parseLsn,
  positionNumber,
  silentLogger,
} from '@sluice/core'
import { type PostgresTarget, connect, createPool, inTransaction, migrate, postgresTarget } from '@sluice/postgres'
import { createEventAppender, createLane, getLane, migrateStore, recordPublished, type LaneRecord } from '@sluice/store'
import { type SystemDefinition, defineSystem, handler, integer, mapTable, table, topic } from '@sluice/system'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readEvents, readStatus, readTrace } from '../src/index.ts'

const none = new URL('file:///none/')
const items = table('items', { columns: { id: integer() }, key: ['id'], aggregate: 'Item', topic: topic('trace.items') })
const own = topic('trace.shop.events')
const system: SystemDefinition = defineSystem({
  name: 'traced',
  avroSchemas: none,
  monolith: { tables: [items] },
  services: {
    shop: { migrations: none, projections: [mapTable(items, { into: 'shop_items' })], outbox: { topic: own } },
    mail: { migrations: none, projections: [handler('send', { eventTypes: ['ItemSold'], apply: async () => undefined })] },
  },
})

const CORRELATION = 'order-4711'
const eventId = (name: string): Uuid => correlationUuid(name)

let targets: { monolith: PostgresTarget; pipeline: PostgresTarget; services: Record<'shop' | 'mail', PostgresTarget> }
let shop: Client
let lane: LaneRecord
const drops: (() => Promise<void>)[] = []

beforeAll(async () => {
  const database = async (server: string, label: string): Promise<string> => {
    const made = await createTestDatabase(process.env[`SLUICE_TEST_${server}_URL`]!, label)
    drops.unshift(() => made.drop())
    return made.url
  }
  targets = {
    monolith: postgresTarget('monolith', await database('MONOLITH', 'trace')),
    pipeline: postgresTarget('pipeline', await database('PIPELINE', 'trace')),
    services: {
      shop: postgresTarget('shop', await database('SERVICES', 'trace_shop')),
      mail: postgresTarget('mail', await database('SERVICES', 'trace_mail')),
    },
  }
  await migrateStore(targets.pipeline)
  const folder = new URL('../../projector/migrations/', import.meta.url)
  for (const target of Object.values(targets.services)) await migrate(target, { folder, table: 'sluice_migrations' })
  shop = await connect(targets.services.shop, { applicationName: 'test' })
  drops.unshift(() => shop.end())
  await plant()
})

afterAll(async () => {
  for (const drop of drops) await drop()
})

/**
 * One transaction of the monolith makes items 1 and 2 under the correlation, a later one item 3 under another. Shop applied
 * both of the first and wrote ItemSold because of the first; its own lane is not published. Item 2 is parked in shop.
 */
async function plant(): Promise<void> {
  lane = await newLane('monolith', 'monolith', null)
  const outbox = await newLane('shop_outbox', 'shop', own.name)
  const created = (id: string, correlationId: string): EventDraft => draft('ItemCreated', 'Item', id, correlationId, null)
  await store(lane, 1, [created('1', CORRELATION), created('2', CORRELATION)])
  await store(lane, 2, [created('3', 'another')])
  await store(outbox, 1, [draft('ItemSold', 'Sale', '9', CORRELATION, eventId('ItemCreated/1'))])
  const pipeline = await connect(targets.pipeline, { applicationName: 'test' })
  await recordPublished(pipeline, {
    lane: lane.lane,
    first: positionNumber(1),
    last: positionNumber(2),
    clusterId: 'k',
    serviceName: 'relay',
    elapsedMs: 3,
  })
  await pipeline.end()
  await shop.query(
    `INSERT INTO projector_positions (lane, lane_name, epoch, cluster_id, applied_position) VALUES ($1, 'monolith', $2, 'k', 2)`,
    [lane.lane, lane.epoch],
  )
  await shop.query('INSERT INTO processed_events (event_id, lane, position) VALUES ($1, $2, 1), ($3, $2, 2)', [
    eventId('ItemCreated/1'),
    lane.lane,
    eventId('ItemCreated/2'),
  ])
  await shop.query(
    `INSERT INTO processing_batches (stage, service_name, lane, first_position, last_position, events, duplicates, parked, started_at, finished_at)
     VALUES ('projector', 'shop', $1, 1, 2, 2, 0, 1, now(), '2026-01-01T00:00:05Z')`,
    [lane.lane],
  )
  await shop.query(
    `INSERT INTO parked_events (event_id, lane, position, topic, partition, kafka_offset, aggregate_type, aggregate_id, event_type,
       correlation_id, projection, error_code, error_message, message)
     VALUES ($1, $2, 2, 'trace.items', 0, 1, 'Item', $1, 'ItemCreated', $3, 'p', 'SLU-5020', 'refused', '')`,
    [eventId('ItemCreated/2'), lane.lane, CORRELATION],
  )
}

async function newLane(laneName: string, sourceName: string, outboxTopic: string | null): Promise<LaneRecord> {
  const pool = createPool(targets.pipeline, { applicationName: 'test', max: 1 })
  try {
    return await inTransaction(pool, (client) =>
      createLane(client, {
        systemName: 'traced',
        laneName,
        sourceName,
        systemIdentifier: '1',
        databaseName: 'd',
        slotName: `sluice_traced_${laneName}`,
        publicationName: `sluice_traced_${laneName}`,
        timeline: 1,
        phase: 'streaming',
        storedLsn: parseLsn('0/1'),
        outboxTopic,
      }),
    )
  } finally {
    await pool.end()
  }
}

function draft(
  eventType: string,
  aggregateType: string,
  key: string,
  correlationId: string,
  causationId: string | null,
): EventDraft {
  const aggregate = aggregateName([key])
  return {
    eventId: eventId(`${eventType}/${key}`),
    eventType,
    aggregateType,
    aggregateId: aggregate.id,
    aggregateKey: aggregate.key,
    eventData: JSON.stringify({ op: 'c', after: { id: key } }),
    ordinal: 0,
    correlationId,
    causationId,
    userId: null,
    traceparent: null,
    migrationId: null,
  }
}

async function store(to: LaneRecord, n: number, events: readonly EventDraft[]): Promise<void> {
  const client = await connect(targets.pipeline, { applicationName: 'test' })
  const record = await getLane(client, 'traced', to.laneName)
  await client.end()
  const appender = await createEventAppender({
    target: targets.pipeline,
    lane: record,
    serviceName: 'reader',
    logger: silentLogger,
  })
  const at = 1000n * BigInt(n)
  const committedAt = epochMicros(1_767_225_600_000_000n + at)
  const commit = { kind: 'commit', commitLsn: lsnOf(at), endLsn: lsnOf(at + 50n), committedAt } as const
  await appender.append([{ commit, events: events.map((e, ordinal) => ({ ...e, ordinal })), isLast: true }])
  await appender.close()
}

test('a trace is the tree over all lanes, with what each stage did', async () => {
  const trace = await readTrace({ system, targets, correlationId: CORRELATION })
  expect(trace).toMatchObject({ correlationId: CORRELATION, events: 3n, isComplete: true, problems: [] })
  expect(trace.roots.map((n) => [n.event.eventType, n.event.aggregateKey, n.children.map((c) => c.event.eventType)])).toEqual([
    ['ItemCreated', '1', ['ItemSold']],
    ['ItemCreated', '2', []],
  ])
  const [first, second] = trace.roots
  expect(first!.event).toMatchObject({ lane: 'monolith', position: 1n, version: 1, isPublished: true })
  expect(first!.event.publishedAt).not.toBeNull()
  expect(first!.event.services).toEqual([{ service: 'shop', status: 'applied', at: '2026-01-01T00:00:05.000Z', error: null }])
  expect(second!.event.services).toMatchObject([{ service: 'shop', status: 'parked', error: 'SLU-5020' }])
  expect(first!.children[0]!.event).toMatchObject({
    lane: 'shop_outbox',
    isPublished: false,
    publishedAt: null,
    services: [{ service: 'mail', status: 'pending', at: null }],
  })
})

test('an unknown correlation is an empty trace, not an error', async () => {
  expect(await readTrace({ system, targets, correlationId: 'nobody' })).toMatchObject({
    events: 0n,
    roots: [],
    isComplete: true,
    problems: [],
  })
})

test('a long correlation shows its first events and says that there are more', async () => {
  const trace = await readTrace({ system, targets, correlationId: CORRELATION, limit: 1 })
  expect(trace).toMatchObject({ events: 3n, isComplete: false })
})

test('a service that is down is a problem of its own, and the tree is still there', async () => {
  const mail = postgresTarget('mail', 'postgresql://nobody@127.0.0.1:1/none')
  const trace = await readTrace({
    system,
    targets: { ...targets, services: { ...targets.services, mail } },
    correlationId: CORRELATION,
  })
  expect(trace.problems).toMatchObject([{ service: 'mail', error: { code: 'SLU-2001' } }])
  expect(trace.roots).toHaveLength(2)
})

test('events are found by lane, type, aggregate, correlation and position', async () => {
  const types = async (filter: object): Promise<string[]> =>
    (await readEvents({ system, targets, ...filter })).events.map((e) => `${e.lane}:${e.position}`)
  expect(await types({})).toEqual(expect.arrayContaining(['monolith:1', 'monolith:2', 'monolith:3', 'shop_outbox:1']))
  expect(await types({ lane: 'monolith' })).toEqual(['monolith:1', 'monolith:2', 'monolith:3'])
  expect(await types({ lane: 'monolith', limit: 2 })).toEqual(['monolith:2', 'monolith:3'])
  expect(await types({ lane: 'monolith', after: 1n, limit: 1 })).toEqual(['monolith:2'])
  expect(await types({ type: 'ItemSold' })).toEqual(['shop_outbox:1'])
  expect(await types({ aggregate: 'Item/3' })).toEqual(['monolith:3'])
  expect(await types({ aggregate: 'Sale' })).toEqual(['shop_outbox:1'])
  expect(await types({ correlation: 'another' })).toEqual(['monolith:3'])
  expect(await types({ correlation: 'nobody' })).toEqual([])
})

test('a listing says what it searched and whether there is more', async () => {
  expect(await readEvents({ system, targets, lane: 'monolith', type: 'None' })).toEqual({
    events: [],
    searched: [{ lane: 'monolith', from: 1n, to: 3n }],
    isComplete: true,
  })
  expect(await readEvents({ system, targets, lane: 'monolith', limit: 1 })).toMatchObject({ isComplete: false })
  await expect(readEvents({ system, targets, lane: 'gone' })).rejects.toMatchObject({ code: 'LANE_UNKNOWN' })
  await expect(readEvents({ system, targets, after: 1n })).rejects.toMatchObject({ code: 'USAGE' })
})

test('status says how far each stage is, and what is missing is a check that failed', async () => {
  const status = await readStatus({ system, targets })
  const monolith = status.lanes.find((l) => l.lane === 'monolith')!
  expect(monolith.store.value).toMatchObject({ phase: 'streaming', position: 3n, link: 2n })
  expect(monolith.source.value).toMatchObject({ slot: null })
  expect(monolith.readerLag!.bytes).toBeGreaterThan(0n)
  expect(monolith.relay.value).toMatchObject({ position: 2n, from: 'store', pendingEvents: 1n })
  const projector = status.services.find((s) => s.service === 'shop')!.projector.value!
  expect(projector).toMatchObject({
    parked: 1,
    isHeld: false,
    members: 0,
    lanes: [{ lane: 'monolith', position: 2n, lagEvents: 1n }],
  })
  const failed = status.checks.filter((c) => c.status !== 'ok').map((c) => c.name)
  expect(failed).toEqual(expect.arrayContaining(['monolith.slot', 'shop.parked']))
})

test('with the pipeline database down, status still tells what the others say', async () => {
  const pipeline = postgresTarget('pipeline', 'postgresql://nobody@127.0.0.1:1/none')
  const status = await readStatus({ system, targets: { ...targets, pipeline } })
  expect(status.lanes[0]!.store.error).toMatchObject({ code: 'SLU-2001' })
  expect(status.lanes[0]!.source.value).not.toBeNull()
  expect(status.services[0]!.projector.value).toMatchObject({ parked: 1, lanes: [{ lagEvents: null, lagSeconds: null }] })
})

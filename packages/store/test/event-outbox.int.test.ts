import { SluiceError, positionNumber } from '@sluice/core'
import { recordPublished, recordRelayFailure, relayFailures, saveAggregateTopics } from '@sluice/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StoreFixture, commit, commitInfo, draft, openStoreFixture, uuidNumber } from './store-fixture.ts'

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store outbox view')
})
afterAll(async () => {
  await store.close()
})

test('event_outbox shows every event as pending, published or failed, with attempts and error', async () => {
  const lane = await store.lane({ outboxTopic: 'shop.events' })
  const appender = await store.appender(lane)
  const own = draft(lane, 2, 0, {
    aggregateType: 'Basket',
    aggregateId: uuidNumber(5),
    aggregateKey: 'b-5',
    migrationId: 'run-1',
  })
  await appender.append([commit(lane, 1, 2), { commit: commitInfo(2), events: [own], isLast: true }])
  await appender.close()

  const { client } = store
  const outbox = async (): Promise<readonly object[]> => {
    const { rows } = await client.query<object>(
      `SELECT position::int AS position, topic, partition_key, status, attempts, error_message
       FROM event_outbox WHERE lane = $1 ORDER BY position`,
      [lane.lane],
    )
    return rows
  }
  await saveAggregateTopics(client, 'shop', [
    { aggregateType: 'Order', topic: 'shop.orders.old' },
    { aggregateType: 'Gone', topic: 'shop.gone' },
  ])
  await saveAggregateTopics(client, 'shop', [{ aggregateType: 'Order', topic: 'shop.orders' }])
  expect((await client.query('SELECT aggregate_type, topic FROM aggregate_topics')).rows).toEqual([
    { aggregate_type: 'Order', topic: 'shop.orders' },
  ])

  const order = { topic: 'shop.orders', status: 'pending', attempts: 0, error_message: null }
  const basket = { position: 3, topic: 'shop.events', partition_key: 'b-5', status: 'pending', attempts: 0, error_message: null }
  expect(await outbox()).toMatchObject([{ ...order, position: 1 }, { ...order, position: 2 }, basket])

  const refusal = new SluiceError('KAFKA_UNREACHABLE', { what: 'Kafka is away', why: 'connect ECONNREFUSED', ways: [] })
  await recordRelayFailure(client, lane.lane, positionNumber(2), refusal)
  await recordRelayFailure(client, lane.lane, positionNumber(2), refusal)
  await recordPublished(client, {
    lane: lane.lane,
    first: positionNumber(1),
    last: positionNumber(1),
    clusterId: 'k',
    serviceName: 'relay',
    elapsedMs: 12,
  })
  const failed = { attempts: 2, error_message: 'Kafka is away: connect ECONNREFUSED' }
  expect(await outbox()).toMatchObject([
    { status: 'published', attempts: 1 },
    { status: 'failed', ...failed },
    { status: 'pending' },
  ])
  expect(await relayFailures(client, lane.lane)).toMatchObject([{ position: 2n, attempts: 2, errorCode: refusal.number }])

  await recordPublished(client, {
    lane: lane.lane,
    first: positionNumber(2),
    last: positionNumber(3),
    clusterId: 'k',
    serviceName: 'relay',
    elapsedMs: 12.5,
  })
  // A relay that is late and fenced moves nothing back.
  await recordPublished(client, {
    lane: lane.lane,
    first: positionNumber(1),
    last: positionNumber(2),
    clusterId: 'k',
    serviceName: 'relay',
    elapsedMs: 1,
  })
  expect(await outbox()).toMatchObject([{ status: 'published' }, { status: 'published', ...failed }, { status: 'published' }])
  expect(await relayFailures(client, lane.lane)).toEqual([])
  const headers = await client.query(
    'SELECT headers, published_at IS NOT NULL AS is_dated FROM event_outbox WHERE lane = $1 AND position = 3',
    [lane.lane],
  )
  expect(headers.rows).toEqual([
    { headers: { 'event-id': own.eventId, 'correlation-id': 'tx-2', 'migration-id': 'run-1' }, is_dated: true },
  ])

  const log = await client.query(
    `SELECT action, entity_id, correlation_id, processing_time_ms >= 0 AS is_timed FROM service_processing_log
     WHERE entity_id = $1 ORDER BY id`,
    [uuidNumber(5)],
  )
  expect(log.rows).toEqual([
    { action: 'reader', entity_id: uuidNumber(5), correlation_id: 'tx-2', is_timed: true },
    { action: 'relay', entity_id: uuidNumber(5), correlation_id: 'tx-2', is_timed: true },
  ])
})

/** The projector over real Kafka and a real schema registry: what the fake can not prove. */
import { randomUUID } from 'node:crypto'
import { createEventDecoder, createEventEncoder, createSchemaRegistry, deriveSchemas } from '@sluice/avro'
import {
  type EventData,
  type StoredEvent,
  formatControlRecord,
  formatEventData,
  parseLsn,
  positionNumber,
  silentLogger,
} from '@sluice/core'
import { type KafkaPort, type KafkaTransaction, createKafka } from '@sluice/kafka'
import { MONOLITH_LANE, type ProjectedEvent, controlTopicName, lanesOf, topicsOf } from '@sluice/system'
import { expect, test } from 'vitest'
import { FakeKafka } from './fake-kafka.ts'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { type ShopSystem, defineShop } from './shop-system.ts'
import { TestLane, type TestMessage, created, deleted, updated } from './test-lane.ts'

function environment(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}

/** Publishes a test lane as the relay does: events and control record in one Kafka transaction. */
class Publisher {
  readonly kafka: KafkaPort
  readonly lane: TestLane
  readonly registry = createSchemaRegistry({ url: environment('SLUICE_TEST_REGISTRY_URL') })
  readonly shop: ShopSystem
  readonly #encoders = new Map<string, (event: StoredEvent) => Buffer>()
  #clusterId = ''

  constructor(shop: ShopSystem) {
    this.shop = shop
    this.kafka = createKafka({
      brokers: environment('SLUICE_TEST_KAFKA_BROKERS').split(','),
      clientId: 'projector-test',
      logger: silentLogger,
    })
    const topics = topicsOf(lanesOf(shop.system)[0]!)
    const name = shop.system.name
    this.lane = new TestLane(new FakeKafka(topics), { system: name, laneName: MONOLITH_LANE, ownTopic: `${name}.events` })
  }

  async open(): Promise<void> {
    const admin = await this.kafka.admin()
    const { name } = this.shop.system
    const topics = [...topicsOf(lanesOf(this.shop.system)[0]!), { name: controlTopicName(name, MONOLITH_LANE), partitions: 1 }]
    await admin.createTopics(topics.map((t) => ({ name: t.name, partitions: t.partitions, replicationFactor: 1, config: {} })))
    this.#clusterId = (await admin.cluster()).clusterId
    await admin.close()
    for (const schema of deriveSchemas(this.shop.system)) {
      this.#encoders.set(schema.topic, createEventEncoder(schema, await this.registry.ensure(schema.subject, schema.schema)))
    }
  }

  /** Publishes what was written to the lane; first in a transaction that is aborted, so that offsets get gaps. */
  async publish(): Promise<void> {
    const messages = this.lane.take()
    const producer = await this.kafka.transactionalProducer(`${this.shop.system.name}-relay`)
    const aborted = await producer.begin()
    await this.#send(aborted, messages)
    await aborted.abort()
    const transaction = await producer.begin()
    const offsets = await this.#send(transaction, messages)
    const record = this.lane.record(messages, offsets, { clusterId: this.#clusterId })
    const value = Buffer.from(formatControlRecord(record))
    const control = { partition: 0, key: Buffer.from(MONOLITH_LANE), value, headers: {}, timestampMs: Date.now() }
    await transaction.send([{ topic: controlTopicName(this.shop.system.name, MONOLITH_LANE), messages: [control] }])
    await transaction.commit()
    await producer.close()
  }

  /** Returns the offset of each message. */
  async #send(transaction: KafkaTransaction, messages: readonly TestMessage[]): Promise<readonly bigint[]> {
    const byTopic = Map.groupBy(messages, (m) => m.topic)
    const sent = await transaction.send(
      [...byTopic].map(([topic, group]) => ({
        topic,
        messages: group.map(({ partition, event }) => ({
          partition,
          key: Buffer.from(event.aggregateKey ?? event.aggregateId),
          value: this.#encoders.get(topic)!(stored(event)),
          headers: {},
          timestampMs: Date.now(),
        })),
      })),
    )
    const next = new Map(sent.map((s) => [`${s.topic}/${s.partition}`, s.baseOffset as bigint]))
    return messages.map(({ topic, partition }) => {
      const offset = next.get(`${topic}/${partition}`)!
      next.set(`${topic}/${partition}`, offset + 1n)
      return offset
    })
  }
}

function stored(event: ProjectedEvent): StoredEvent {
  const { op, before, after } = event
  return {
    eventId: event.eventId as StoredEvent['eventId'],
    eventType: event.eventType,
    aggregateType: event.aggregateType,
    aggregateId: event.aggregateId as StoredEvent['aggregateId'],
    aggregateKey: event.aggregateKey,
    eventData: formatEventData({ op, ...(before ? { before } : {}), ...(after ? { after } : {}) } as EventData),
    ordinal: 0,
    correlationId: event.context.correlationId ?? '',
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    lane: event.lane as StoredEvent['lane'],
    position: positionNumber(event.position),
    eventVersion: event.version,
    commitLsn: parseLsn(event.commitLsn),
    committedAt: event.committedAtMicros as StoredEvent['committedAt'],
  }
}

test(
  'rows travel through real topics and Avro; a standby takes over where the active one stopped',
  { timeout: 120_000 },
  async () => {
    await using service = await Shop.open()
    const definition = defineShop(`shop_${randomUUID().slice(0, 8)}`)
    const { customers, orders } = definition
    const publisher = new Publisher(definition)
    await publisher.open()
    const { lane } = publisher
    const source = {
      system: definition.system,
      kafka: publisher.kafka,
      decoder: createEventDecoder(publisher.registry, definition.system),
    }
    const ids = Array.from({ length: 50 }, () => randomUUID())
    lane.write(...ids.map((id) => created(customers, customer(id, { email: null }))))
    for (let i = 0; i < 3000; i++) lane.write(created(orders, order(String(i), ids[i % 50]!)))
    await publisher.publish()
    const first = service.start({}, source)
    await first.until((p) => p.kind === 'applied' && p.through >= lane.position)
    const second = service.start({}, source)
    await second.until((p) => p.kind === 'standby')
    await first.stop()
    await second.until((p) => p.kind === 'active')
    lane.write(updated(orders, order('1', null, { amount: 'NaN', tags: null })), deleted(orders, { id: '2' }))
    await publisher.publish()
    await second.until((p) => p.kind === 'applied' && p.through >= lane.position)

    expect(await service.rows('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 2999 }])
    expect(await service.rows('SELECT client_id, amount::text, tags FROM orders WHERE id = 1')).toEqual([
      { client_id: null, amount: 'NaN', tags: null },
    ])
    const duplicates = [first, second].flatMap((p) => p.progress).flatMap((p) => (p.kind === 'applied' ? [p.duplicates] : []))
    expect(duplicates.reduce((a, b) => a + b, 0)).toBe(0)
  },
)

/** Publishes a test lane to real Kafka as the relay does, in Avro with a real schema registry. */
import { createEventEncoder, createSchemaRegistry, deriveSchemas } from '@sluice/avro'
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
import { MONOLITH_LANE, type ProjectedEvent, type SystemDefinition, controlTopicName, lanesOf, topicsOf } from '@sluice/system'
import { FakeKafka } from './fake-kafka.ts'
import { TestLane, type TestMessage } from './test-lane.ts'

function environment(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}

/** Publishes a test lane as the relay does: events and control record in one Kafka transaction. */
export class Publisher {
  readonly kafka: KafkaPort
  readonly lane: TestLane
  readonly registry = createSchemaRegistry({ url: environment('SLUICE_TEST_REGISTRY_URL') })
  readonly system: SystemDefinition
  readonly #encoders = new Map<string, (event: StoredEvent) => Buffer>()
  #clusterId = ''

  constructor(system: SystemDefinition) {
    this.system = system
    this.kafka = createKafka({
      brokers: environment('SLUICE_TEST_KAFKA_BROKERS').split(','),
      clientId: 'projector-test',
      logger: silentLogger,
    })
    const topics = topicsOf(lanesOf(system)[0]!)
    const name = system.name
    this.lane = new TestLane(new FakeKafka(topics), { system: name, laneName: MONOLITH_LANE, ownTopic: `${name}.events` })
  }

  async open(): Promise<void> {
    const admin = await this.kafka.admin()
    const { name } = this.system
    const topics = [...topicsOf(lanesOf(this.system)[0]!), { name: controlTopicName(name, MONOLITH_LANE), partitions: 1 }]
    await admin.createTopics(topics.map((t) => ({ name: t.name, partitions: t.partitions, replicationFactor: 1, config: {} })))
    this.#clusterId = (await admin.cluster()).clusterId
    await admin.close()
    for (const schema of deriveSchemas(this.system)) {
      this.#encoders.set(schema.topic, createEventEncoder(schema, await this.registry.ensure(schema.subject, schema.schema)))
    }
  }

  /** Publishes what was written to the lane; first in a transaction that is aborted, so that offsets get gaps. */
  async publish(): Promise<void> {
    const messages = this.lane.take()
    const producer = await this.kafka.transactionalProducer(`${this.system.name}-relay`)
    const aborted = await producer.begin()
    await this.#send(aborted, messages)
    await aborted.abort()
    const transaction = await producer.begin()
    const offsets = await this.#send(transaction, messages)
    const record = this.lane.record(messages, offsets, { clusterId: this.#clusterId })
    const value = Buffer.from(formatControlRecord(record))
    const control = { partition: 0, key: Buffer.from(MONOLITH_LANE), value, headers: {}, timestampMs: Date.now() }
    await transaction.send([{ topic: controlTopicName(this.system.name, MONOLITH_LANE), messages: [control] }])
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

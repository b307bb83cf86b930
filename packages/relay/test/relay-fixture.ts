/** A pipeline database with a lane to fill, topics of its own, and a relay to run. */
import { randomUUID } from 'node:crypto'
import {
  type ControlRecord,
  type EventDraft,
  type Uuid,
  epochMicros,
  lsnOf,
  namespaceBytes,
  offsetOf,
  parseControlRecord,
  silentLogger,
  streamedEventId,
} from '@sluice/core'
import { createEventDecoder, createSchemaRegistry } from '@sluice/avro'
import { createTestDatabase } from '@sluice/infra'
import { type IncomingMessage, type KafkaPort, createKafka } from '@sluice/kafka'
import { type PostgresTarget, connect, createPool, inTransaction, postgresTarget } from '@sluice/postgres'
import { type RelayEvent, type RelayOptions, createRelay } from '@sluice/relay'
import {
  type EventAppender,
  type LaneRecord,
  createEventAppender,
  createLane,
  getLane,
  migrateStore,
  requestRelayParked,
} from '@sluice/store'
import {
  type LaneDefinition,
  type ProjectedEvent,
  type SystemDefinition,
  bigint,
  controlTopicName,
  jsonb,
  lanesOf,
  numeric,
  table,
  text,
  timestamptz,
  topic,
  topicsOf,
  topicsWanted,
} from '@sluice/system'
import type { Client } from 'pg'

export const CORRELATION = 'test-correlation'

/** Orders and customers of a shop whose names no other test has. */
export function shop(headers: 'default' | 'cloudevents' = 'default'): SystemDefinition {
  const name = `shop_${randomUUID().slice(0, 8)}`
  const orders = table('orders', {
    aggregate: 'Order',
    key: ['id'],
    topic: topic(`${name}.orders`, { partitions: 3, headers }),
    columns: { id: bigint(), note: text(), amount: numeric(12, 2).nullable(), detail: jsonb(), placed_at: timestamptz() },
  })
  const customers = table('customers', {
    aggregate: 'Customer',
    key: ['id'],
    topic: topic(`${name}.customers`, { partitions: 2 }),
    columns: { id: bigint(), name: text() },
  })
  return {
    name,
    avroSchemas: new URL('./avro/', import.meta.url),
    monolith: { tables: [orders, customers], outbox: { topic: topic(`${name}.events`, { partitions: 1 }) } },
    services: {},
  }
}

export function brokers(): string[] {
  const list = process.env['SLUICE_TEST_KAFKA_BROKERS']
  if (list === undefined) throw new Error('SLUICE_TEST_KAFKA_BROKERS is not set: run by the integration project of vitest')
  return list.split(',')
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}

export class RelayFixture {
  readonly system: SystemDefinition
  readonly lane: LaneDefinition
  readonly kafka: KafkaPort
  readonly pipeline: PostgresTarget
  readonly client: Client
  readonly registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
  readonly #drop: () => Promise<void>
  #appender: EventAppender | undefined
  #commits = 0

  private constructor(system: SystemDefinition, pipeline: PostgresTarget, client: Client, drop: () => Promise<void>) {
    this.system = system
    const [lane] = lanesOf(system)
    if (!lane) throw new Error('the system has no lane')
    this.lane = lane
    this.pipeline = pipeline
    this.client = client
    this.kafka = createKafka({ brokers: brokers(), clientId: 'relay-test', logger: silentLogger })
    this.#drop = drop
  }

  static async open(system = shop()): Promise<RelayFixture> {
    const database = await createTestDatabase(required('SLUICE_TEST_PIPELINE_URL'), 'relay')
    const pipeline = postgresTarget('pipeline', database.url)
    await migrateStore(pipeline)
    const client = await connect(pipeline, { applicationName: 'relay test' })
    const fixture = new RelayFixture(system, pipeline, client, () => database.drop())
    const admin = await fixture.kafka.admin()
    await admin.createTopics(topicsWanted(system).map((t) => ({ ...t, replicationFactor: 1 })))
    await admin.close()
    await fixture.#createLane()
    return fixture
  }

  async #createLane(): Promise<void> {
    const pool = createPool(this.pipeline, { applicationName: 'relay test', max: 1 })
    await inTransaction(pool, (client) =>
      createLane(client, {
        systemName: this.system.name,
        laneName: this.lane.name,
        sourceName: 'monolith',
        systemIdentifier: '7412345678901234567',
        databaseName: 'shop',
        slotName: this.lane.slotName,
        publicationName: this.lane.publicationName,
        timeline: 1,
        phase: 'streaming',
        storedLsn: lsnOf(100n),
        outboxTopic: this.lane.outbox?.topic.name ?? null,
      }),
    )
    await pool.end()
  }

  get controlTopic(): string {
    return controlTopicName(this.system.name, this.lane.name)
  }

  record(): Promise<LaneRecord> {
    return getLane(this.client, this.system.name, this.lane.name)
  }

  /** Asks the relay to retry or skip what it parked: one event, or all. */
  async ask(command: 'retry' | 'skip', eventId?: string): ReturnType<typeof requestRelayParked> {
    const { lane } = await this.record()
    const selection = eventId === undefined ? {} : { eventId }
    return requestRelayParked(this.client, lane, { command, selection, requestedBy: 'test', reason: null, isDryRun: false })
  }

  /** Stores one commit. */
  async commit(changes: readonly Partial<EventDraft>[], committedMs = Date.now()): Promise<void> {
    const lane = await this.record()
    this.#appender ??= await createEventAppender({
      target: this.pipeline,
      lane,
      serviceName: 'reader',
      logger: silentLogger,
      limits: {},
    })
    const n = ++this.#commits
    const commitLsn = lsnOf(1000n * BigInt(n + 1))
    const committedAt = epochMicros(BigInt(committedMs) * 1000n)
    const events = changes.map((change, ordinal) => draft(lane.epoch, commitLsn, ordinal, change))
    const info = { kind: 'commit', commitLsn, endLsn: lsnOf(commitLsn + 100n), committedAt } as const
    await this.#appender.append([{ commit: info, events, isLast: true }])
  }

  relay(options: Partial<RelayOptions> = {}) {
    const { system, lane, pipeline, kafka, registry } = this
    return createRelay({ system, lane, pipeline, kafka, registry, logger: silentLogger, ...options })
  }

  /** Runs a relay until everything stored is published. */
  async publishAll(options: Partial<RelayOptions> = {}): Promise<readonly RelayEvent[]> {
    const { position } = await this.record()
    const stop = new AbortController()
    const events: RelayEvent[] = []
    const onProgress = (event: RelayEvent): void => {
      events.push(event)
      options.onProgress?.(event)
      if ((event.kind === 'started' || event.kind === 'published') && event.position >= position) stop.abort()
    }
    await this.relay({ ...options, onProgress }).run(stop.signal)
    return events
  }

  async messages(topicName: string): Promise<readonly (IncomingMessage & { readonly partition: number })[]> {
    // The end of the last transaction is in the log when the next producer of its id may open.
    await (await this.kafka.transactionalProducer(`sluice.${this.system.name}.${this.lane.name}.relay`)).close()
    const admin = await this.kafka.admin()
    const count = await admin.partitionCount(topicName)
    await admin.close()
    const all: (IncomingMessage & { readonly partition: number })[] = []
    for (let partition = 0; partition < count; partition++) {
      for await (const message of this.kafka.readPartition(topicName, partition, offsetOf(0))) all.push({ ...message, partition })
    }
    return all
  }

  async published(): Promise<readonly (ProjectedEvent & { readonly key: string; readonly partition: number })[]> {
    const decoder = createEventDecoder(this.registry, this.system)
    const events: (ProjectedEvent & { key: string; partition: number })[] = []
    for (const { name } of topicsOf(this.lane)) {
      for (const { key, value, partition } of await this.messages(name)) {
        events.push({ ...(await decoder.decode(value ?? Buffer.alloc(0))), key: key?.toString() ?? '', partition })
      }
    }
    return events
  }

  async controlRecords(): Promise<readonly ControlRecord[]> {
    return (await this.messages(this.controlTopic)).map((m) => parseControlRecord(m.value?.toString() ?? ''))
  }

  async close(): Promise<void> {
    await this.#appender?.close()
    await this.client.end()
    await this.#drop()
  }
}

function draft(epoch: Uuid, commitLsn: ReturnType<typeof lsnOf>, ordinal: number, change: Partial<EventDraft>): EventDraft {
  const eventId = streamedEventId(namespaceBytes(epoch), commitLsn, ordinal)
  return {
    eventId,
    eventType: 'OrderCreated',
    aggregateType: 'Order',
    aggregateId: eventId,
    aggregateKey: null,
    eventData: order(String(ordinal)),
    ordinal,
    correlationId: CORRELATION,
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    ...change,
  }
}

export function orderRow(id: string, note = 'Zürich – 東京') {
  return { id, note, amount: '12.50', detail: '{"a": 1}', placed_at: '2026-11-21 07:00:00.25+00' }
}

/** Event data of an order that was inserted. */
export function order(id: string, note?: string): string {
  return JSON.stringify({ op: 'c', after: orderRow(id, note) })
}

/**
 * A port whose producer runs a hook before each step of a transaction: a place to die at, after which its relay does nothing more.
 * is a record that goes by itself.
 */
export function hooked(kafka: KafkaPort, hook: (step: 'send' | 'control' | 'commit' | 'committed') => void): KafkaPort {
  return {
    ...kafka,
    transactionalProducer: async (id) => {
      const producer = await kafka.transactionalProducer(id)
      let isDead = false
      const at = (step: Parameters<typeof hook>[0]): void => {
        try {
          hook(step)
        } catch (error) {
          isDead = true
          throw error
        }
      }
      return {
        close: () => producer.close(),
        begin: async () => {
          const transaction = await producer.begin()
          return {
            abort: async () => {
              if (!isDead) await transaction.abort()
            },
            send: async (topics) => {
              at(topics.every(({ topic }) => topic.endsWith('.control')) ? 'control' : 'send')
              return transaction.send(topics)
            },
            commit: async () => {
              at('commit')
              await transaction.commit()
              at('committed')
            },
          }
        },
      }
    },
  }
}

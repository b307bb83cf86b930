/**
 * What is in the topics, read by a plain consumer: kafkajs and the registry's own client, read committed, no code of the
 * product.
 */
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import kafkajs from 'kafkajs'

/** A consumer whose coordinator still loads, for example, begins again by itself. */
const RESTARTS_MAX = 20

export interface LoggedEvent {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  readonly eventId: string
  readonly eventType: string
  readonly op: string
  readonly aggregate: string
  readonly version: bigint
  readonly lane: number
  readonly position: bigint
}

interface Envelope {
  readonly event_id: string
  readonly event_type: string
  readonly op: string
  readonly aggregate_type: string
  readonly aggregate_id: string
  readonly version: number | bigint
  readonly lane: number
  readonly position: number | bigint
}

/**
 * Hands over every committed event of the topics, from their beginning to their present end, each offset once: a consumer that joins
 * its group again, or whose handler failed, is given anew what it had.
 *
 * @returns how many partitions each topic has
 */
export async function readKafkaLog(options: {
  readonly brokers: readonly string[]
  readonly registryUrl: string
  readonly topics: readonly string[]
  readonly onEvent: (event: LoggedEvent) => void
}): Promise<ReadonlyMap<string, number>> {
  const kafka = new kafkajs.Kafka({ brokers: [...options.brokers], clientId: 'oracle', logLevel: kafkajs.logLevel.NOTHING })
  const registry = new SchemaRegistry({ host: options.registryUrl })
  const admin = kafka.admin()
  await admin.connect()
  const ends = new Map<string, bigint>()
  const partitions = new Map<string, number>()
  for (const topic of options.topics) {
    const offsets = await admin.fetchTopicOffsets(topic)
    partitions.set(topic, offsets.length)
    for (const { partition, low, high } of offsets) {
      if (BigInt(high) > BigInt(low)) ends.set(`${topic}/${partition}`, BigInt(high))
    }
  }
  const groupId = `oracle-${crypto.randomUUID()}`
  if (ends.size > 0) await consume(kafka, groupId, registry, options, ends)
  await admin.disconnect()
  return partitions
}

async function consume(
  kafka: kafkajs.Kafka,
  groupId: string,
  registry: SchemaRegistry,
  options: { readonly topics: readonly string[]; readonly onEvent: (event: LoggedEvent) => void },
  ends: Map<string, bigint>,
): Promise<void> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topics: [...options.topics], fromBeginning: true })
  const handed = new Map<string, bigint>()
  let anew = 0
  const finished = Promise.withResolvers<undefined>()
  let restarts = 0
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    restarts += 1
    if (!payload.restart || restarts > RESTARTS_MAX) finished.reject(payload.error)
  })
  // A partition may end with a transaction's marker, which no message shows: the end of a fetched batch does.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    const partition = `${payload.topic}/${payload.partition}`
    const end = ends.get(partition)
    if (end !== undefined && BigInt(payload.lastOffset) + 1n >= end) ends.delete(partition)
    if (ends.size === 0) finished.resolve(undefined)
  })
  await consumer.run({
    autoCommit: false,
    eachBatch: async (payload) => {
      const { batch } = payload
      const place = `${batch.topic}/${batch.partition}`
      for (const message of batch.messages) {
        const offset = BigInt(message.offset)
        if (offset <= (handed.get(place) ?? -1n)) {
          anew += 1
          continue
        }
        if (message.value === null) throw new Error(`a tombstone in ${batch.topic}`)
        const value = (await registry.decode(message.value)) as Envelope
        options.onEvent({
          topic: batch.topic,
          partition: batch.partition,
          offset,
          key: message.key?.toString() ?? '',
          eventId: value.event_id,
          eventType: value.event_type,
          op: value.op,
          aggregate: `${value.aggregate_type}/${value.aggregate_id}`,
          version: BigInt(value.version),
          lane: value.lane,
          position: BigInt(value.position),
        })
        handed.set(place, offset)
      }
      await payload.heartbeat()
    },
  })
  try {
    await finished.promise
  } finally {
    await consumer.disconnect()
  }
  if (anew > 0) process.stderr.write(`oracle: its consumer began again and was given ${anew} messages anew\n`)
}

/** From a stored event to its topic, partitions and messages. */
import { SluiceError, type StoredEvent, isSluiceError } from '@sluice/core'
import { type EventEncoder, type TopicSchema, createEventEncoder, schemasOfLane } from '@sluice/avro'
import type { SchemaRegistry } from '@sluice/avro'
import { type KafkaAdmin, type OutgoingMessage, partitionOf } from '@sluice/kafka'
import { type LaneDefinition, type SystemDefinition, type TopicDefinition, topicsOf } from '@sluice/system'
import { assertFits } from './changed-table.ts'
import { messageHeaders } from './message-headers.ts'
import { isOwnEvent, isTruncate } from './stored-operation.ts'

export interface RoutedEvent {
  readonly topic: string
  /** One; of a truncate, which ends keys in every partition of its topic, one for each of them (decision 0016). */
  readonly messages: readonly OutgoingMessage[]
}

/** @throws SluiceError SLU-4203 if the event fits no topic or schema, SLU-4205 if its table was changed, SLU-4202 if its topic's schema is refused, SLU-4004 if it is larger than its topic takes */
export type MessageRouter = (event: StoredEvent, timestampMs: number) => RoutedEvent

interface Route {
  readonly topic: TopicDefinition
  readonly partitions: number
  /** Bytes of a record batch; Infinity where Kafka does not tell. */
  readonly bytesMax: number
  readonly encode: EventEncoder
}

/** Head of a batch and of its record; length numbers of a header. */
const BATCH_OVERHEAD_BYTES = 90
const HEADER_OVERHEAD_BYTES = 6

/**
 * Registers the schemas of the lane's topics and reads their numbers of partitions.
 *
 * @throws SluiceError SLU-4201, SLU-4002
 */
export async function createMessageRouter(
  system: SystemDefinition,
  lane: LaneDefinition,
  registry: SchemaRegistry,
  admin: KafkaAdmin,
): Promise<MessageRouter> {
  const routes = new Map<string, Route>()
  const schemas = new Map(schemasOfLane(system, lane).map((s) => [s.topic, s]))
  for (const topic of topicsOf(lane)) {
    const schema = schemas.get(topic.name)
    if (schema === undefined) throw new Error(`topic ${topic.name} has no schema`)
    routes.set(topic.name, {
      topic,
      partitions: await admin.partitionCount(topic.name),
      bytesMax: await messageBytesMax(admin, topic.name),
      encode: await registeredEncoder(registry, schema),
    })
  }
  const byAggregate = new Map(lane.tables.map((t) => [t.aggregateType, routes.get(t.topic.name)]))
  const tables = new Map(lane.tables.map((t) => [t.aggregateType, t]))
  const ownEvents = lane.outbox ? routes.get(lane.outbox.topic.name) : undefined
  const source = `/sluice/${system.name}/${lane.name}`
  return (event, timestampMs) => {
    const route = isOwnEvent(event) ? ownEvents : byAggregate.get(event.aggregateType)
    if (route === undefined) throw unroutable(event, system, lane)
    if (event.sentColumns !== undefined) assertFits(lane, tables.get(event.aggregateType), event.sentColumns, event)
    const key = Buffer.from(event.aggregateKey ?? event.aggregateId, 'utf8')
    const message: OutgoingMessage = {
      partition: partitionOf(key, route.partitions),
      key,
      value: route.encode(event),
      headers: messageHeaders(event, route.topic.headers, source),
      timestampMs,
    }
    const bytes = batchBytes(message)
    if (bytes > route.bytesMax) throw tooLarge(event, route, bytes)
    return { topic: route.topic.name, messages: isTruncate(event) ? inEveryPartition(message, route.partitions) : [message] }
  }
}

function inEveryPartition(message: OutgoingMessage, partitions: number): readonly OutgoingMessage[] {
  return Array.from({ length: partitions }, (_, partition) => ({ ...message, partition }))
}

/** Where the registry refuses the schema, every event of the topic is refused with the difference: that topic waits alone. */
async function registeredEncoder(registry: SchemaRegistry, schema: TopicSchema): Promise<EventEncoder> {
  try {
    return createEventEncoder(schema, await registry.ensure(schema.subject, schema.schema))
  } catch (error) {
    if (!isSluiceError(error, 'SCHEMA_INCOMPATIBLE')) throw error
    return () => {
      throw error
    }
  }
}

/** A relay may lack the privilege to read a topic's settings: then Kafka itself refuses what is too large. */
async function messageBytesMax(admin: KafkaAdmin, topic: string): Promise<number> {
  try {
    const { 'max.message.bytes': text } = await admin.topicConfig(topic)
    return text === undefined ? Infinity : Number(text)
  } catch (error) {
    if (isSluiceError(error, 'KAFKA_REFUSED')) return Infinity
    throw error
  }
}

/** At least what a batch of this message alone takes. https://kafka.apache.org/documentation/#recordbatch */
function batchBytes({ key, value, headers }: OutgoingMessage): number {
  let bytes = BATCH_OVERHEAD_BYTES + key.length + (value?.length ?? 0)
  for (const [name, text] of Object.entries(headers)) bytes += name.length + text.length + HEADER_OVERHEAD_BYTES
  return bytes
}

function tooLarge(event: StoredEvent, { topic }: Route, bytes: number): SluiceError {
  return new SluiceError('MESSAGE_TOO_LARGE', {
    what: `event ${event.eventId} (position ${event.lane}:${event.position}) does not fit into topic ${topic.name}`,
    why: `it takes ${bytes} bytes, more than the topic's max.message.bytes`,
    ways: [
      `kafka-configs.sh --alter --topic ${topic.name} --add-config max.message.bytes=${2 ** Math.ceil(Math.log2(bytes + 1))}    then start the relay again and retry`,
    ],
  })
}

function unroutable(event: StoredEvent, system: SystemDefinition, lane: LaneDefinition): SluiceError {
  return new SluiceError('EVENT_NOT_ENCODABLE', {
    what: `event ${event.eventId} (position ${event.lane}:${event.position}) has no topic`,
    why: `lane ${lane.name} of ${system.name} captures no aggregate "${event.aggregateType}"`,
    ways: ['put the table back into the system definition until its events are published, then take it out again'],
  })
}

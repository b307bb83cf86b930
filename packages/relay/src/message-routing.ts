/** From a stored event to its topic, partitions and messages. */
import { SluiceError, type StoredEvent, isSluiceError } from '@sluice/core'
import { type EventEncoder, type TopicSchema, createEventEncoder, schemasOfLane } from '@sluice/avro'
import type { SchemaRegistry } from '@sluice/avro'
import { type KafkaAdmin, type OutgoingMessage, partitionOf } from '@sluice/kafka'
import type { ClaimedValue } from '@sluice/store'
import { type CapturedTable, type LaneDefinition, type SystemDefinition, type TopicDefinition, topicsOf } from '@sluice/system'
import { assertFits } from './changed-table.ts'
import { type CheckedEvent, checkValues } from './claim-check.ts'
import { messageHeaders } from './message-headers.ts'
import type { RelayLimits } from './relay-limits.ts'
import { isOwnEvent, isTruncate } from './stored-operation.ts'

export interface RoutedEvent {
  readonly topic: string
  /** One; of a truncate, which ends keys in every partition of its topic, one for each of them (decision 0016). */
  readonly messages: readonly OutgoingMessage[]
  /** Values that the message is too small for: to be stored before it is sent. */
  readonly claimed: readonly ClaimedValue[]
  /** How long the topic may hold the message; null if for ever. */
  readonly keptUntil: Date | null
}

/** @throws SluiceError SLU-4203 if the event fits no topic or schema, SLU-4205 if its table was changed, SLU-4202 if its topic's schema is refused, SLU-4004 if it is larger than its topic takes without its large values too */
export type MessageRouter = (event: StoredEvent, timestampMs: number) => RoutedEvent

interface Route {
  readonly topic: TopicDefinition
  readonly partitions: number
  readonly bounds: TopicBounds
  readonly encode: EventEncoder
}

/** Infinity where there is no bound, or Kafka does not tell. */
interface TopicBounds {
  /** Bytes of a record batch. */
  readonly bytesMax: number
  /** Time that a message is in the topic at most. */
  readonly keptMs: number
}

/** An event whose data is longer than this many messages is not encoded whole to see whether it fits. */
const WHOLE_MESSAGES_MAX = 4
/** The last time that a `Date` can hold. */
const LAST_MS = 8.64e15

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
  { messageBytesMax }: Pick<RelayLimits, 'messageBytesMax'>,
): Promise<MessageRouter> {
  const routes = new Map<string, Route>()
  const schemas = new Map(schemasOfLane(system, lane).map((s) => [s.topic, s]))
  for (const topic of topicsOf(lane)) {
    const schema = schemas.get(topic.name)
    if (schema === undefined) throw new Error(`topic ${topic.name} has no schema`)
    routes.set(topic.name, {
      topic,
      partitions: await admin.partitionCount(topic.name),
      bounds: await topicBounds(admin, topic.name, messageBytesMax),
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
    const headers = messageHeaders(event, route.topic.headers, source)
    const room = route.bounds.bytesMax - overheadBytes(key, headers)
    const { value, claimed } = encodeWithin(room, event, route, isOwnEvent(event) ? undefined : tables.get(event.aggregateType))
    const message: OutgoingMessage = { partition: partitionOf(key, route.partitions), key, value, headers, timestampMs }
    const keptUntilMs = timestampMs + route.bounds.keptMs
    return {
      topic: route.topic.name,
      messages: isTruncate(event) ? inEveryPartition(message, route.partitions) : [message],
      claimed,
      keptUntil: keptUntilMs <= LAST_MS ? new Date(keptUntilMs) : null,
    }
  }
}

/** Encodes an event whole where it fits, else without its largest values. @throws SluiceError SLU-4203, SLU-4004 */
function encodeWithin(room: number, event: StoredEvent, route: Route, table: CapturedTable | undefined): CheckedEvent {
  if (table === undefined || event.eventData.length <= room * WHOLE_MESSAGES_MAX) {
    const value = route.encode(event)
    if (value.length <= room) return { value, claimed: [] }
  }
  const checked = table === undefined ? null : checkValues(event, table, route.encode, room)
  if (checked === null) throw tooLarge(event, route, route.encode(event).length - room + route.bounds.bytesMax)
  return checked
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
async function topicBounds(admin: KafkaAdmin, topic: string, messageBytesMax: number): Promise<TopicBounds> {
  try {
    const settings = await admin.topicConfig(topic)
    const bytes = settings['max.message.bytes']
    return { bytesMax: Math.min(bytes === undefined ? Infinity : Number(bytes), messageBytesMax), keptMs: keptMs(settings) }
  } catch (error) {
    if (isSluiceError(error, 'KAFKA_REFUSED')) return { bytesMax: messageBytesMax, keptMs: Infinity }
    throw error
  }
}

/** Kafka removes whole segments: a message is there until the newest one of its segment is old enough. */
function keptMs(settings: Readonly<Record<string, string>>): number {
  const retention = settings['retention.ms']
  const isDeleted = settings['cleanup.policy']?.includes('delete') ?? true
  if (!isDeleted || retention === undefined || retention === '-1') return Infinity
  return Number(retention) + Number(settings['segment.ms'] ?? 0)
}

/** What a batch of one message takes beside its value, at least. https://kafka.apache.org/documentation/#recordbatch */
function overheadBytes(key: Buffer, headers: OutgoingMessage['headers']): number {
  let bytes = BATCH_OVERHEAD_BYTES + key.length
  for (const [name, text] of Object.entries(headers)) bytes += name.length + Buffer.byteLength(text) + HEADER_OVERHEAD_BYTES
  return bytes
}

function tooLarge(event: StoredEvent, { topic, bounds }: Route, bytes: number): SluiceError {
  return new SluiceError('MESSAGE_TOO_LARGE', {
    what: `event ${event.eventId} (position ${event.lane}:${event.position}) does not fit into topic ${topic.name}`,
    why: `it takes ${bytes} bytes, more than the ${bounds.bytesMax} of the topic's max.message.bytes or of SLUICE_MESSAGE_BYTES_MAX, and is too large without its large values too`,
    ways: [
      `kafka-configs.sh --alter --topic ${topic.name} --add-config max.message.bytes=${2 ** Math.ceil(Math.log2(bytes + 1))}    and no lower SLUICE_MESSAGE_BYTES_MAX, then start the relay again and retry`,
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

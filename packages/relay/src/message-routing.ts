/** From a stored event to its topic, partition and message. */
import { SluiceError, type StoredEvent } from '@sluice/core'
import { type EventEncoder, createEventEncoder, schemasOfLane } from '@sluice/avro'
import type { SchemaRegistry } from '@sluice/avro'
import { type KafkaAdmin, type OutgoingMessage, partitionOf } from '@sluice/kafka'
import { type LaneDefinition, type SystemDefinition, type TopicDefinition, topicsOf } from '@sluice/system'
import { messageHeaders } from './message-headers.ts'

export interface RoutedMessage {
  readonly topic: string
  readonly message: OutgoingMessage
}

/** @throws SluiceError SLU-4203 if the event fits no topic or schema */
export type MessageRouter = (event: StoredEvent, timestampMs: number) => RoutedMessage

interface Route {
  readonly topic: TopicDefinition
  readonly partitions: number
  readonly encode: EventEncoder
}

/** How event data of an application's own event begins. */
const OWN_EVENT = '{"op":"e"'

/**
 * Registers the schemas of the lane's topics and reads their numbers of partitions.
 *
 * @throws SluiceError SLU-4202, SLU-4201, SLU-4002
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
    const id = await registry.ensure(schema.subject, schema.schema)
    routes.set(topic.name, { topic, partitions: await admin.partitionCount(topic.name), encode: createEventEncoder(schema, id) })
  }
  const byAggregate = new Map(lane.tables.map((t) => [t.aggregateType, routes.get(t.topic.name)]))
  const ownEvents = lane.outbox ? routes.get(lane.outbox.topic.name) : undefined
  const source = `/sluice/${system.name}/${lane.name}`
  return (event, timestampMs) => {
    const route = event.eventData.startsWith(OWN_EVENT) ? ownEvents : byAggregate.get(event.aggregateType)
    if (route === undefined) throw unroutable(event, system, lane)
    const key = Buffer.from(event.aggregateKey ?? event.aggregateId, 'utf8')
    return {
      topic: route.topic.name,
      message: {
        partition: partitionOf(key, route.partitions),
        key,
        value: route.encode(event),
        headers: messageHeaders(event, route.topic.headers, source),
        timestampMs,
      },
    }
  }
}

function unroutable(event: StoredEvent, system: SystemDefinition, lane: LaneDefinition): SluiceError {
  return new SluiceError('EVENT_NOT_ENCODABLE', {
    what: `event ${event.eventId} (position ${event.lane}:${event.position}) has no topic`,
    why: `lane ${lane.name} of ${system.name} captures no aggregate "${event.aggregateType}"`,
    ways: ['put the table back into the system definition until its events are published, then take it out again'],
  })
}

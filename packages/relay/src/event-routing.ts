/** Which topic, partition and key an event gets. All events of an aggregate go to one partition of one topic. */
import { SluiceError, type StoredEvent } from '@sluice/core'
import { partitionOf } from '@sluice/kafka'
import type { LaneDefinition, TopicDefinition } from '@sluice/system'

export interface Route {
  readonly topic: TopicDefinition
  readonly partition: number
  readonly key: Buffer
}

export class EventRouting {
  readonly #lane: string
  readonly #byAggregate: ReadonlyMap<string, TopicDefinition>
  readonly #outbox: TopicDefinition | null
  readonly #partitions: ReadonlyMap<string, number>

  /** @param partitions Partitions of each topic as Kafka has them, which may be more than the definition asked for. */
  constructor(lane: LaneDefinition, partitions: ReadonlyMap<string, number>) {
    this.#lane = lane.name
    this.#byAggregate = new Map(lane.tables.map((table) => [table.aggregateType, table.topic]))
    this.#outbox = lane.outbox?.topic ?? null
    this.#partitions = partitions
  }

  /** @throws SluiceError SLU-4203 if the definition has no topic for the event: it was changed since the event was stored. */
  route(event: StoredEvent): Route {
    const topic = event.eventData.startsWith('{"op":"e"') ? this.#outbox : this.#byAggregate.get(event.aggregateType)
    const partitions = topic ? this.#partitions.get(topic.name) : undefined
    if (!topic || partitions === undefined) throw this.#unroutable(event)
    const key = Buffer.from(event.aggregateKey ?? event.aggregateId)
    return { topic, partition: partitionOf(key, partitions), key }
  }

  #unroutable(event: StoredEvent): SluiceError {
    return new SluiceError('EVENT_NOT_ENCODABLE', {
      what: `event ${event.eventId} at position ${event.lane}:${event.position} has no topic`,
      why: `lane "${this.#lane}" captures no table of aggregate "${event.aggregateType}"`,
      ways: ['put the table back into the system definition, and start the relay again'],
    })
  }
}

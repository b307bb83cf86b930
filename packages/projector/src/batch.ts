/** Events on their way into the service database, in position order. */
import type { LaneId, Offset, PositionNumber, TopicPartition, Uuid } from '@sluice/core'
import type { ProjectedEvent } from '@sluice/system'
import type { EventRoute } from './projection-plan.ts'

export interface BatchEvent {
  readonly event: ProjectedEvent
  /** Null where no projection of the service uses the event. */
  readonly route: EventRoute | null
  readonly place: TopicPartition & { readonly offset: Offset }
  /** The message's value as it came, for the parking lot. */
  readonly message: Buffer
  /** Of an event that has its claimed values: itself without them, for the parking lot. */
  readonly unopened?: BatchEvent
  /**
   * Of a truncate whose partitions members share: those in which it takes effect in this transaction. Without it, a truncate ends
   * every key of its table.
   */
  readonly partitions?: readonly number[]
}

/** Whole frames of one lane: everything that the service consumes up to `through`. */
export interface Batch {
  readonly lane: LaneId
  readonly laneName: string
  readonly epoch: Uuid
  readonly clusterId: string
  readonly events: readonly BatchEvent[]
  readonly through: PositionNumber
  /** The control topic's offset to go on from once the batch is applied; null for a part that ends inside a frame. */
  readonly control: (TopicPartition & { readonly next: Offset }) | null
  readonly bytes: number
}

/**
 * The part of a batch up to a position, and the rest. The part does not finish its frame, so the control topic's offset
 * moves with the rest.
 */
export function splitBatch(batch: Batch, at: PositionNumber): { part: Batch; rest: Batch } {
  const cut = batch.events.findIndex((e) => e.event.position > at)
  const length = cut === -1 ? batch.events.length : cut
  const events = batch.events.slice(0, length)
  const bytes = events.reduce((sum, e) => sum + e.message.length, 0)
  return {
    part: { ...batch, events, through: at, control: null, bytes },
    rest: { ...batch, events: batch.events.slice(length), bytes: batch.bytes - bytes },
  }
}

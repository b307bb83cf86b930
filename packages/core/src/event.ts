/**
 * The event as it stands in the event store: what the reader writes and what relay, trace and verify read.
 */
import type { Uuid } from './change-identity.ts'
import type { Lsn } from './lsn.ts'
import type { LaneId, PositionNumber } from './position.ts'

/** Microseconds since 1970-01-01 00:00 UTC. */
export type EpochMicros = bigint & { readonly __brand: 'EpochMicros' }

export function epochMicros(value: bigint): EpochMicros {
  return value as EpochMicros
}

/** What a captured change did; `r` is a row read by an initial load or backfill, `e` an application's own event. */
export type Operation = 'c' | 'u' | 'd' | 't' | 'r' | 'e'

/** Columns that a change came with, and their types as PostgreSQL names them, without length or precision. */
export type SentColumns = Readonly<Record<string, string>>

/** What the reader knows of an update beside its event. The store uses it when it writes the event, and keeps nothing of it. */
export interface UpdateFacts {
  /** Captured columns that PostgreSQL did not send, since they are unchanged: their values come from the row's last image. */
  readonly unsent: readonly string[]
  /** The aggregate that the row belongs to from now on, where its key changed; else null. */
  readonly movedTo: Uuid | null
  /** The aggregate that the table's truncates belong to. */
  readonly tableAggregateId: Uuid
}

/** An event before the store has given it a position and a version. */
export interface EventDraft {
  readonly eventId: Uuid
  readonly eventType: string
  readonly aggregateType: string
  readonly aggregateId: Uuid
  /** Text of the aggregate's key where that is not one uuid. */
  readonly aggregateKey: string | null
  /** JSON text of the change, see `event-data.ts`; stored and hashed byte for byte. */
  readonly eventData: string
  /** Place in its transaction, or in its chunk. */
  readonly ordinal: number
  readonly correlationId: string
  readonly causationId: string | null
  readonly userId: string | null
  readonly traceparent: string | null
  /** Run of the initial load or backfill that made the event. */
  readonly migrationId: string | null
  /** Set for a change whose table no longer fitted the definition: then the event has all columns that came. */
  readonly sentColumns?: SentColumns
  /** Set for an update that left values unsent or changed the row's key. */
  readonly update?: UpdateFacts
}

/** Where a set of events comes from: one commit of the source, or one chunk of a load. */
export interface CommitInfo {
  readonly kind: 'commit' | 'chunk'
  /** Start of the commit record; for a chunk the LSN of its snapshot. */
  readonly commitLsn: Lsn
  /** End of the commit record: what may be acknowledged once it is stored. For a chunk `LSN_ZERO`. */
  readonly endLsn: Lsn
  readonly committedAt: EpochMicros
}

export interface StoredEvent extends Omit<EventDraft, 'update'> {
  readonly lane: LaneId
  readonly position: PositionNumber
  /** From 1 on, without gaps, per (aggregateType, aggregateId). */
  readonly eventVersion: number
  readonly commitLsn: Lsn
  readonly committedAt: EpochMicros
}

/** An event as listings and traces show it: its envelope, without the values of the row. */
import { formatLsn, parseLsn } from '@sluice/core'

export interface EventLine {
  readonly lane: string
  readonly position: bigint
  readonly eventId: string
  readonly eventType: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly aggregateKey: string | null
  readonly version: number
  readonly correlationId: string
  readonly causationId: string | null
  readonly userId: string | null
  readonly commitLsn: string
  /** ISO time of the source's commit. */
  readonly committedAt: string
}

export interface EventLineRow {
  readonly position: string
  readonly event_id: string
  readonly event_type: string
  readonly aggregate_type: string
  readonly aggregate_id: string
  readonly aggregate_key: string | null
  readonly event_version: number
  readonly correlation_id: string
  readonly causation_id: string | null
  readonly user_id: string | null
  readonly commit_lsn: string
  readonly created_at: Date
}

/** SELECT list over `event_store e`, for `eventLine`. */
export const EVENT_LINE = `e.position::text AS position, e.event_id, e.event_type, e.aggregate_type, e.aggregate_id, e.aggregate_key,
  e.event_version, e.correlation_id, e.causation_id, e.user_id, e.commit_lsn::text AS commit_lsn, e.created_at`

export function eventLine(lane: string, row: EventLineRow): EventLine {
  return {
    lane,
    position: BigInt(row.position),
    eventId: row.event_id,
    eventType: row.event_type,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    aggregateKey: row.aggregate_key,
    version: row.event_version,
    correlationId: row.correlation_id,
    causationId: row.causation_id,
    userId: row.user_id,
    commitLsn: formatLsn(parseLsn(row.commit_lsn)),
    committedAt: row.created_at.toISOString(),
  }
}

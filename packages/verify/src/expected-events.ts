/**
 * What rows a table of events in a sink must hold, from the event store: an event each, with the values of every column. Below a position
 * the store does not change. Apart from the code that fills the table: rows are put together, and history is left out, in SQL.
 */
import type { RowText } from '@sluice/core'
import { DIGESTED_BYTES, DIGEST_PREFIX } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import { type AskStore, type EventFields, sinkValues } from './object-event.ts'
import type { SinkComparison } from './sink-comparison.ts'

/** Each has some hundred bytes, since long texts come as digests. */
const PAGE_EVENTS = 10_000

export interface ExpectedEvent {
  readonly lane: number
  readonly position: bigint
  readonly eventId: string
  readonly aggregateId: string
  /** By column of the table, with `op` and `committed_at`; a column that the event does not have is absent. */
  readonly values: RowText
}

interface StoredEvent extends EventFields {
  readonly position: string
  readonly eventId: string
  readonly aggregateId: string
  readonly op: string
  readonly committedAt: string
  readonly row: RowText | null
}

/** Those that took effect, in the order of their positions. */
export async function* expectedEvents(ask: AskStore, comparison: SinkComparison): AsyncGenerator<ExpectedEvent, undefined> {
  const { table, lane, through, absent } = comparison
  const { source, history } = table
  const historyColumn = history?.column.name ?? null
  for (let after = 0n; ;) {
    const scope = [lane, String(after), String(through), source.aggregateType, historyColumn, history?.days ?? 0]
    const stored = await ask<StoredEvent>(STORED_EVENTS, [...scope, sourceColumns(table)])
    for (const event of stored) if (!absent.has(event.eventId)) yield expectedEvent(table, lane, event)
    const last = stored.at(-1)
    if (!last || stored.length < PAGE_EVENTS) return
    after = BigInt(last.position)
  }
}

function expectedEvent(table: SinkTable, lane: number, event: StoredEvent): ExpectedEvent {
  const { position, eventId, aggregateId, op, committedAt, row } = event
  const eventType = op === 'r' && table.history !== null ? table.history.eventType : event.eventType
  const values = { op, committed_at: committedAt, ...sinkValues(table, row ?? {}, { ...event, eventType }) }
  return { lane, position: BigInt(position), eventId, aggregateId, values }
}

function sourceColumns({ columns }: SinkTable): readonly string[] {
  return Object.values(columns).flatMap((from) => (from.kind === 'column' ? [from.name] : []))
}

/** $1 lane, $2 and $3 positions, $4 aggregate type, $5 column of the history's age, $6 its days, $7 columns of the row. */
const STORED_EVENTS = `
  SELECT position::text AS position, event_id::text AS "eventId", aggregate_id::text AS "aggregateId", event_data->>'op' AS op,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS "committedAt",
    event_type AS "eventType", user_id AS "userId", correlation_id AS "correlationId", causation_id AS "causationId",
    (SELECT json_object_agg(key, CASE WHEN octet_length(convert_to(value, 'UTF8')) < ${DIGESTED_BYTES} THEN value
       ELSE '${DIGEST_PREFIX}' || encode(sha256(convert_to(value, 'UTF8')), 'hex') END)
     FROM jsonb_each_text(coalesce((event_data->'before')::jsonb, '{}') || coalesce((event_data->'after')::jsonb, '{}'))
     WHERE key = ANY ($7::text[])) AS row
  FROM public.event_store
  WHERE lane = $1 AND position > $2 AND position <= $3 AND aggregate_type = $4 AND event_data->>'op' <> 'e'
    AND ($5::text IS NULL OR event_data->>'op' <> 'r' OR (event_data->'after'->>$5) IS NULL
      OR (event_data->'after'->>$5)::timestamptz >= created_at - make_interval(hours => 24 * $6))
  ORDER BY event_store.position LIMIT ${PAGE_EVENTS}`

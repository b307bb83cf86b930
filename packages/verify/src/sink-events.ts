/**
 * Compares a table of events in a sink with the event store, both ways: every event that the service has applied is in the table once, in
 * collapsed state, and no other is. Events that came later are left out: below a position the store does not change.
 */
import { sinkTableName } from '@sluice/sink'
import { DifferenceTally } from './difference-tally.ts'
import { mergeOrdered } from './merge-ordered.ts'
import type { AskStore } from './object-event.ts'
import { type SinkComparison, sinkedRows } from './sink-comparison.ts'
import type { TableReport } from './verify-report.ts'

const PAGE_EVENTS = 20_000

interface EventPlace {
  readonly lane: number
  readonly position: bigint
  readonly eventId: string
}

/** @throws SluiceError SLU-5101, SLU-5102 of the sink */
export async function compareSinkEvents(ask: AskStore, comparison: SinkComparison): Promise<TableReport> {
  const tally = new DifferenceTally()
  const pairs = mergeOrdered(expectedEvents(ask, comparison), foundEvents(comparison), byPlace)
  for await (const { expected, actual } of pairs) {
    if (expected !== null) tally.expected += 1
    if (actual !== null) tally.found += 1
    if (actual === null) tally.note('missing', expected.eventId)
    else if (expected === null) tally.note('extra', actual.eventId)
    else if (expected.eventId !== actual.eventId) tally.note('different', expected.eventId, ['event_id'])
  }
  return tally.report(sinkTableName(comparison.table), ['lane', 'position', 'event_id'])
}

function byPlace(one: EventPlace, other: EventPlace): number {
  if (one.lane !== other.lane) return one.lane - other.lane
  return one.position < other.position ? -1 : one.position > other.position ? 1 : 0
}

/** Rows of another lane have no event here: they are left from a time before, and extra. */
async function* foundEvents(comparison: SinkComparison): AsyncGenerator<EventPlace, undefined> {
  const { lane, through } = comparison
  for await (const row of sinkedRows(comparison)) if (row.lane !== lane || row.position <= through) yield row
}

/** What the definition says of the event store, in SQL: apart from the code that fills the table. */
async function* expectedEvents(ask: AskStore, comparison: SinkComparison): AsyncGenerator<EventPlace, undefined> {
  const { lane, through, absent } = comparison
  const { source, history } = comparison.table
  const text = `SELECT position::text, event_id::text FROM public.event_store
    WHERE lane = $1 AND position > $2 AND position <= $3 AND aggregate_type = $4 AND event_data->>'op' <> 'e'
      AND ($5::text IS NULL OR event_data->>'op' <> 'r' OR (event_data->'after'->>$5) IS NULL
        OR (event_data->'after'->>$5)::timestamptz >= created_at - make_interval(hours => 24 * $6))
    ORDER BY event_store.position LIMIT ${PAGE_EVENTS}`
  for (let after = 0n; ;) {
    const values = [lane, String(after), String(through), source.aggregateType, history?.column.name ?? null, history?.days ?? 0]
    const rows = await ask<{ position: string; event_id: string }>(text, values)
    for (const row of rows) {
      if (!absent.has(row.event_id)) yield { lane, position: BigInt(row.position), eventId: row.event_id }
    }
    const last = rows.at(-1)
    if (!last || rows.length < PAGE_EVENTS) return
    after = BigInt(last.position)
  }
}

/**
 * Compares a table of events in a sink with the event store, both ways: every event that the service has applied is in the table once, in
 * collapsed state, with the values that it has, and no other is. Events that came later are left out: below a position the store does not
 * change. Of a column that an event does not have only that is compared, for what stands there is the table's default.
 */
import { type Sink, type SinkedRow, type ValueForm, sinkTableName } from '@sluice/sink'
import { comparableText } from './comparable-text.ts'
import { DifferenceTally } from './difference-tally.ts'
import { type ExpectedEvent, expectedEvents } from './expected-events.ts'
import { mergeOrdered } from './merge-ordered.ts'
import type { AskStore } from './object-event.ts'
import { type SinkComparison, sinkedRows } from './sink-comparison.ts'
import type { TableReport } from './verify-report.ts'

export interface SinkEventComparison extends SinkComparison {
  readonly sink: Pick<Sink, 'read' | 'forms'>
}

type ValueForms = Readonly<Record<string, ValueForm>>

/** @throws SluiceError SLU-5101, SLU-5102 of the sink */
export async function compareSinkEvents(ask: AskStore, comparison: SinkEventComparison): Promise<TableReport> {
  const { sink, table } = comparison
  const tally = new DifferenceTally()
  const forms = sink.forms?.(table) ?? {}
  const pairs = mergeOrdered(expectedEvents(ask, comparison), foundEvents(comparison), byPlace)
  for await (const { expected, actual } of pairs) {
    if (expected !== null) tally.expected += 1
    if (actual !== null) tally.found += 1
    if (actual === null) tally.note('missing', expected.eventId)
    else if (expected === null) tally.note('extra', actual.eventId)
    else {
      const columns = differingColumns(forms, expected, actual)
      if (columns.length > 0) tally.note('different', expected.eventId, columns)
    }
  }
  const own = ['lane', 'position', 'event_id', 'aggregate_id', 'op', 'committed_at', 'unavailable']
  return tally.report(sinkTableName(table), [...own, ...Object.keys(table.columns)])
}

interface EventPlace {
  readonly lane: number
  readonly position: bigint
}

function byPlace(one: EventPlace, other: EventPlace): number {
  if (one.lane !== other.lane) return one.lane - other.lane
  return one.position < other.position ? -1 : one.position > other.position ? 1 : 0
}

/** Rows of another lane have no event here: they are left from a time before, and extra. */
async function* foundEvents(comparison: SinkComparison): AsyncGenerator<SinkedRow, undefined> {
  const { lane, through } = comparison
  for await (const row of sinkedRows(comparison)) if (row.lane !== lane || row.position <= through) yield row
}

function differingColumns(forms: ValueForms, expected: ExpectedEvent, found: SinkedRow): readonly string[] {
  if (expected.eventId !== found.eventId) return ['event_id']
  const columns = new Set([...Object.keys(expected.values), ...Object.keys(found.values)])
  return [
    ...(expected.aggregateId === found.aggregateId ? [] : ['aggregate_id']),
    ...[...columns].filter((column) => !isSame(forms[column] ?? 'text', expected.values[column], found.values[column])),
  ]
}

/** A column that is absent on one side alone differs: it is unavailable there. */
function isSame(form: ValueForm, wanted: string | null | undefined, found: string | null | undefined): boolean {
  if (wanted === found) return true
  if (wanted == null || found == null) return false
  return comparableText(form, wanted) === comparableText(form, found)
}

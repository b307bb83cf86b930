/**
 * Compares the objects of a sink with what the event store says of each aggregate, both ways: its place, its event, its values.
 *
 * Nobody is held up meanwhile, so an object may be written or removed after the point. What differs is therefore looked at again: an
 * object whose position is after the point is compared with the event at that position, and one that is missing may have been removed by
 * an event after the point. Such removals are in neither count.
 */
import { type RowText, ascending } from '@sluice/core'
import { type SinkedRow, sinkTableName } from '@sluice/sink'
import { DifferenceTally } from './difference-tally.ts'
import type { ExpectedObject } from './expected-objects.ts'
import { mergeOrdered } from './merge-ordered.ts'
import { type AskStore, eventsAt, isKeyChange, rowLeftBy, sinkValues } from './object-event.ts'
import { type SinkComparison, sinkedRows } from './sink-comparison.ts'
import type { TableReport } from './verify-report.ts'

/** Objects that are looked at again at once. */
const PAGE = 200

interface Held {
  readonly row: SinkedRow
  /** True if there was an object at the point, too. */
  readonly isExpected: boolean
}

/**
 * @param expected In the order of ids.
 * @param ask Sees events that were stored after the point.
 * @throws SluiceError SLU-5101, SLU-5102 of the sink
 */
export async function compareSinkObjects(
  expected: AsyncIterator<ExpectedObject, unknown>,
  ask: AskStore,
  comparison: SinkComparison,
): Promise<TableReport> {
  const { table, lane, through } = comparison
  const objects = new ObjectComparison(ask, comparison)
  for await (const pair of mergeOrdered(expected, sinkedRows(comparison), byId)) {
    const { expected: wanted, actual: row } = pair
    if (row !== null && row.lane === lane && row.position > through) await objects.later({ row, isExpected: wanted !== null })
    else if (row === null) await objects.missing(wanted)
    else if (wanted === null) objects.extra(row)
    else objects.both(wanted, row)
  }
  await objects.end()
  const placed = ['lane', 'position', 'event_id', ...Object.keys(table.columns)]
  return objects.tally.report(sinkTableName(table), placed)
}

function byId({ aggregateId: one }: { readonly aggregateId: string }, { aggregateId: other }: SinkedRow): number {
  return ascending(one, other)
}

class ObjectComparison {
  readonly tally = new DifferenceTally()
  readonly #ask: AskStore
  readonly #comparison: SinkComparison
  #later: Held[] = []
  #missing: string[] = []

  constructor(ask: AskStore, comparison: SinkComparison) {
    this.#ask = ask
    this.#comparison = comparison
  }

  both(wanted: ExpectedObject, row: SinkedRow): void {
    this.tally.expected += 1
    this.tally.found += 1
    const placed = [
      ...(row.lane === this.#comparison.lane ? [] : ['lane']),
      ...(row.position === wanted.position ? [] : ['position']),
      ...(row.eventId === wanted.eventId ? [] : ['event_id']),
    ]
    const columns = [...placed, ...this.#differingValues(wanted.values, row), ...(row.faults ?? [])]
    if (columns.length > 0) this.tally.note('different', row.aggregateId, columns)
  }

  extra(row: SinkedRow): void {
    this.tally.found += 1
    this.tally.note('extra', row.aggregateId)
  }

  async later(held: Held): Promise<void> {
    this.#later.push(held)
    if (this.#later.length === PAGE) await this.#lookAtLater()
  }

  async missing({ aggregateId }: ExpectedObject): Promise<void> {
    this.#missing.push(aggregateId)
    if (this.#missing.length === PAGE) await this.#lookAtMissing()
  }

  async end(): Promise<void> {
    await this.#lookAtLater()
    await this.#lookAtMissing()
  }

  /** An absent column of the event says nothing: what it was before stands in the object. */
  async #lookAtLater(): Promise<void> {
    const { table, lane } = this.#comparison
    const held = this.#later
    this.#later = []
    const positions = held.map(({ row }) => row.position)
    const events = await eventsAt(this.#ask, lane, positions)
    for (const { row, isExpected } of held) {
      const event = events.get(row.position)
      const left = event && rowLeftBy(event, table.source, row.aggregateId)
      if (isExpected) this.tally.expected += 1
      if (!event || !left) {
        this.tally.found += 1
        this.tally.note(isExpected ? 'different' : 'extra', row.aggregateId, isExpected ? ['position'] : [])
        continue
      }
      if (isExpected) this.tally.found += 1
      const columns = [
        ...(row.eventId === event.eventId ? [] : ['event_id']),
        ...this.#differingValues(sinkValues(table, left, event), row, true),
        ...(row.faults ?? []),
      ]
      if (columns.length > 0) this.tally.note('different', row.aggregateId, columns)
    }
  }

  async #lookAtMissing(): Promise<void> {
    const ids = this.#missing
    this.#missing = []
    const removed = await this.#removedLater(ids)
    for (const id of ids) {
      if (removed === 'all' || removed.has(id)) continue
      this.tally.expected += 1
      this.tally.note('missing', id)
    }
  }

  /** Those of the aggregates that an event after the point took away. */
  async #removedLater(ids: readonly string[]): Promise<ReadonlySet<string> | 'all'> {
    if (ids.length === 0) return new Set()
    const { table, lane, through } = this.#comparison
    const rows = await this.#ask<{ id: string; op: string }>(
      `SELECT aggregate_id::text AS id, event_data->>'op' AS op FROM public.event_store
       WHERE lane = $1 AND position > $2 AND aggregate_type = $3 AND (event_data->>'op' = 't'
         OR aggregate_id = ANY ($4::uuid[]) AND (event_data->>'op' = 'd' OR ${isKeyChange('$5::text[]')}))`,
      [lane, String(through), table.source.aggregateType, ids, table.source.key],
    )
    return rows.some(({ op }) => op === 't') ? 'all' : new Set(rows.map(({ id }) => id))
  }

  #differingValues(wanted: RowText, { values }: SinkedRow, isPart = false): readonly string[] {
    const columns = isPart ? Object.keys(wanted) : Object.keys(this.#comparison.table.columns)
    return columns.filter((column) => !isSame(wanted[column] ?? null, values[column]))
  }
}

/** @param found Undefined where NULL and an empty array are the same to the sink. */
function isSame(wanted: string | null, found: string | null | undefined): boolean {
  return found === undefined ? wanted === null || wanted === '{}' : wanted === found
}

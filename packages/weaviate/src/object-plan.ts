/**
 * What rows make of objects: one object an aggregate, in its newest state.
 *
 * O1  A row that is not newer than the object, by (lane, position), changes nothing: batches come again, also after newer ones.
 * O2  A row leaves a column that it lacks as the object has it. Where there is no object to have it, the row is refused.
 * O3  Nothing of an aggregate is planned beyond its first refused row, so that a parked event finds the object as it left it.
 */
import type { RowText } from '@sluice/core'
import type { SinkRefusal, SinkRow } from '@sluice/sink'

/** An object as it is stored. */
export interface StoredObject {
  readonly lane: number
  readonly position: bigint
  readonly eventId: string
  /** Text of every column of the table. */
  readonly values: RowText
}

export interface PlannedObject extends StoredObject {
  readonly aggregateId: string
  /** The row whose refusal an object is that can not be written. */
  readonly row: SinkRow
}

export interface ObjectPlan {
  readonly writes: readonly PlannedObject[]
  /** Aggregates whose object goes. */
  readonly removals: readonly string[]
  readonly refusals: readonly SinkRefusal[]
}

/** @param rows Of one table, in order, without truncates. */
export function planObjects(rows: readonly SinkRow[], stored: ReadonlyMap<string, StoredObject>): ObjectPlan {
  const planned = new Map<string, PlannedObject | null>()
  const refused = new Map<string, SinkRefusal>()
  for (const row of rows) {
    const { aggregateId } = row
    if (refused.has(aggregateId)) continue
    const before = planned.has(aggregateId) ? planned.get(aggregateId) : stored.get(aggregateId)
    if (before && !isNewer(row, before)) continue
    if (row.op === 'd') {
      planned.set(aggregateId, null)
      continue
    }
    const values = { ...before?.values, ...row.values }
    const missing = Object.keys(row.table.columns).find((column) => values[column] === undefined)
    if (missing === undefined) planned.set(aggregateId, { ...row, values, row })
    else refused.set(aggregateId, withoutValue(row, missing))
  }
  const objects = [...planned]
  return {
    writes: objects.flatMap(([, object]) => object ?? []),
    removals: objects.flatMap(([id, object]) => (object === null && stored.has(id) ? [id] : [])),
    refusals: [...refused.values()],
  }
}

type Place = Pick<StoredObject, 'lane' | 'position'>

/** By (lane, position). */
export function isNewer(row: Place, object: Place): boolean {
  return row.lane === object.lane ? row.position > object.position : row.lane > object.lane
}

function withoutValue({ eventId, table }: SinkRow, column: string): SinkRefusal {
  const message = `column ${column} of ${table.name} was not sent, and there is no object that has it`
  return { eventId, table: table.name, column, message }
}

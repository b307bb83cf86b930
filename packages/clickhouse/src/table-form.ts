/** The form that a table of events has in ClickHouse: the columns that Sluice fills, and those of its definition. */
import { SluiceError, instantText } from '@sluice/core'
import type { SinkRefusal, SinkRow } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import type { ClickhouseTarget } from './clickhouse-target.ts'
import { type ColumnWriter, columnWriter, isNullable } from './column-value.ts'

/** What every table of events has beside the columns of its definition. */
const OWN_COLUMNS: Readonly<Record<string, string>> = {
  event_id: 'UUID',
  aggregate_id: 'UUID',
  lane: 'UInt16',
  position: 'UInt64',
  op: 'LowCardinality(String)',
  committed_at: "DateTime64(6, 'UTC')",
  unavailable: 'Array(LowCardinality(String))',
}

/** The table as `system.tables` and `system.columns` describe it. */
export interface FoundTable {
  readonly engine: string
  readonly sortingKey: string
  readonly columns: ReadonlyMap<string, string>
}

interface Column {
  readonly name: string
  readonly isNullable: boolean
  readonly write: ColumnWriter
}

export class TableForm {
  readonly table: SinkTable
  readonly #columns: readonly Column[]

  /** @throws SluiceError SLU-5103 with every difference */
  constructor(table: SinkTable, found: FoundTable | undefined, target: ClickhouseTarget) {
    const wrong = found ? differences(table, found) : ['there is no such table']
    if (wrong.length > 0 || !found) {
      throw new SluiceError('SINK_NOT_PROVISIONED', {
        what: `table ${table.name} of ${target.display} can not take events`,
        why: wrong.join('; '),
        ways: ['sluice provision    makes a table that is missing', `SHOW CREATE TABLE ${table.name}`],
      })
    }
    this.table = table
    this.#columns = Object.keys(table.columns).map((name) => {
      const type = found.columns.get(name) ?? ''
      const write = columnWriter(type)
      if (!write) throw new RangeError(`nothing is written into ${type}`)
      return { name, isNullable: isNullable(type), write }
    })
  }

  /** A line of JSONEachRow, or why there is none. */
  line(row: SinkRow): string | SinkRefusal {
    const { eventId, aggregateId, lane, position, op, committedAtMicros, values } = row
    const unavailable: string[] = []
    const fields: string[] = []
    for (const { name, isNullable, write } of this.#columns) {
      const text = values[name]
      if (text === undefined) {
        // The column's default stands there; which columns have theirs is said beside it.
        unavailable.push(name)
        continue
      }
      const json = text === null ? (isNullable ? 'null' : null) : write(text)
      if (json === null) return this.#refusal(eventId, name, text === null)
      fields.push(`${JSON.stringify(name)}:${json}`)
    }
    const own =
      `"event_id":"${eventId}","aggregate_id":"${aggregateId}","lane":"${lane}","position":"${position}","op":"${op}",` +
      `"committed_at":"${timeText(committedAtMicros)}","unavailable":${JSON.stringify(unavailable)}`
    return `{${[own, ...fields].join(',')}}\n`
  }

  #refusal(eventId: string, column: string, isNull: boolean): SinkRefusal {
    const table = this.table.name
    const why = isNull
      ? `column ${column} of ${table} is not Nullable`
      : `column ${column} of ${table} can not hold the value exactly`
    return { eventId, table, column, message: why }
  }
}

function differences(table: SinkTable, { engine, sortingKey, columns }: FoundTable): readonly string[] {
  const own = Object.entries(OWN_COLUMNS).flatMap(([name, type]) => {
    const found = columns.get(name)
    return found === type ? [] : [`column ${name} is ${found ?? 'not there'}, it must be ${type}`]
  })
  const mapped = Object.keys(table.columns).flatMap((name) => {
    const found = columns.get(name)
    if (found === undefined) return [`column ${name} is not there`]
    return columnWriter(found) ? [] : [`column ${name} is ${found}, into which nothing can be written exactly`]
  })
  // Only so do repeats of an event collapse.
  const isReplacing = /^(Replicated|Shared)?ReplacingMergeTree$/.test(engine)
  return [
    ...(isReplacing ? [] : [`its engine is ${engine}, it must be ReplacingMergeTree`]),
    ...(sortingKey.split(', ').includes('event_id') ? [] : [`event_id is not in its ORDER BY (${sortingKey})`]),
    ...own,
    ...mapped,
  ]
}

/** `2026-11-21 10:00:00.123456`, in UTC. */
function timeText(micros: bigint): string {
  return instantText(micros).replace('T', ' ').slice(0, -1)
}

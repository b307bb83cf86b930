/** The form that a table of events has in ClickHouse: the columns that Sluice fills, and those of its definition. */
import { SluiceError, instantText, positionNumber } from '@sluice/core'
import { DIGESTED_BYTES, DIGEST_PREFIX, type SinkRefusal, type SinkRow, type SinkedRow, type ValueForm } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import type { ClickhouseTarget } from './clickhouse-target.ts'
import { type ColumnWriter, columnWriter, isNullable, printedForm } from './column-value.ts'
import { quoted } from './quoted.ts'

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

/** A row as `selectList` asks for it. */
export interface PrintedRow {
  readonly event_id: string
  readonly aggregate_id: string
  readonly lane: number
  readonly position: string
  /** In the order of `PRINTED_COLUMNS` and the columns of the definition. */
  readonly printed: readonly (string | null)[]
  readonly unavailable: readonly string[]
}

/** Own columns whose values stand beside those of the definition. */
const PRINTED_COLUMNS = ['op', 'committed_at'] as const

interface Column {
  readonly name: string
  readonly form: ValueForm
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
      return { name, form: printedForm(type), isNullable: isNullable(type), write }
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

  get forms(): Readonly<Record<string, ValueForm>> {
    return { committed_at: 'time', ...Object.fromEntries(this.#columns.map(({ name, form }) => [name, form])) }
  }

  /** What a row is read by, as `PrintedRow` of the table `t`: long texts as digests, which ClickHouse computes. */
  get selectList(): string {
    const printed = this.#printedColumns().map((name) => {
      const text = `CAST(t.${quoted(name)}, 'Nullable(String)')`
      return `if(length(${text}) >= ${DIGESTED_BYTES}, concat('${DIGEST_PREFIX}', lower(hex(SHA256(${text})))), ${text})`
    })
    return `toString(t.event_id) AS event_id, toString(t.aggregate_id) AS aggregate_id, t.lane AS lane, toString(t.position) AS position,
      array(${printed.join(', ')}) AS printed, t.unavailable AS unavailable`
  }

  sinkedRow(row: PrintedRow): SinkedRow {
    const values = this.#printedColumns().map((name, i) => [name, row.printed[i] ?? null] as const)
    return {
      eventId: row.event_id,
      aggregateId: row.aggregate_id,
      lane: row.lane,
      position: positionNumber(row.position),
      // A default says nothing of the event.
      values: Object.fromEntries(values.filter(([name]) => !row.unavailable.includes(name))),
    }
  }

  #printedColumns(): readonly string[] {
    return [...PRINTED_COLUMNS, ...this.#columns.map(({ name }) => name)]
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

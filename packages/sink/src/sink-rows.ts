/** What an event is in the tables of a sink. The mapping is plain: columns of the row and fields of the event, as they are. */
import { aggregateName } from '@sluice/core'
import { type ProjectedEvent, type SinkField, type SinkTable, availableRow, changedKey, eventFieldText } from '@sluice/system'
import type { SinkRefusal, SinkRow } from './sink.ts'

export type MappedRows = { readonly rows: readonly SinkRow[] } | { readonly refusal: SinkRefusal }

/** An event of the table's source as rows of the table; none where the table does not hold it. */
export function sinkRowsOf(table: SinkTable, event: ProjectedEvent): MappedRows {
  if (isOlderThanHistory(table, event)) return { rows: [] }
  return table.kind === 'events' ? { rows: [rowOf(table, event, event.aggregateId)] } : objectRows(table, event)
}

function objectRows(table: SinkTable, event: ProjectedEvent): MappedRows {
  const movedTo = newAggregate(table, event)
  if (movedTo === null) return { rows: [rowOf(table, event, event.aggregateId)] }
  const written = rowOf(table, event, movedTo.id, movedTo.key)
  const missing = Object.keys(table.columns).find((column) => written.values[column] === undefined)
  if (missing !== undefined) {
    const message = `column ${missing} of ${table.name} was not sent, and the object with the new key does not have it`
    return { refusal: { eventId: event.eventId, table: table.name, column: missing, message } }
  }
  return { rows: [{ ...rowOf(table, event, event.aggregateId), op: 'd', values: {} }, written] }
}

/** The aggregate that a change of key moved the row to; an event belongs to the one before. */
function newAggregate({ source }: SinkTable, event: ProjectedEvent): { readonly id: string; readonly key: string | null } | null {
  const { after } = event
  if (after === null || changedKey(event, source.key) === null) return null
  const { id, key } = aggregateName(source.key.map((column) => after[column] ?? ''))
  return { id, key }
}

function rowOf(table: SinkTable, event: ProjectedEvent, aggregateId: string, aggregateKey = event.aggregateKey): SinkRow {
  const row = availableRow(event)
  const values: Record<string, string | null> = {}
  for (const [column, from] of Object.entries(table.columns)) {
    const value = from.kind === 'column' ? row[from.name] : fieldOf(table, event, from.field)
    if (value !== undefined) values[column] = value
  }
  const { eventId, lane, position, op, committedAtMicros } = event
  const eventType = eventTypeOf(table, event)
  return { table, eventId, eventType, lane, position, op, committedAtMicros, aggregateId, aggregateKey, values }
}

/** Of loaded rows a sink may be told another type. */
function fieldOf(table: SinkTable, event: ProjectedEvent, field: SinkField): string | null {
  return field === 'eventType' ? eventTypeOf(table, event) : eventFieldText(event, field)
}

function eventTypeOf({ history }: SinkTable, { op, eventType }: ProjectedEvent): string {
  return op === 'r' && history !== null ? history.eventType : eventType
}

const DAY_MICROS = 24n * 60n * 60n * 1_000_000n

/** By the time at which the row was read: a replay must leave out the same rows. */
function isOlderThanHistory({ history }: SinkTable, { op, after, committedAtMicros }: ProjectedEvent): boolean {
  if (history === null || op !== 'r') return false
  const micros = microsOf(after?.[history.column.name])
  return micros !== null && micros < committedAtMicros - BigInt(history.days) * DAY_MICROS
}

/** Microseconds since 1970 of PostgreSQL's text of a `timestamptz` in UTC; null for what is no time of the common era. */
function microsOf(text: string | null | undefined): bigint | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text ?? '')
  if (!parts) return null
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number)
  const fraction = (parts[7] ?? '').padEnd(6, '0')
  return BigInt(Date.UTC(year, month - 1, day, hour, minute, second)) * 1_000n + BigInt(fraction)
}

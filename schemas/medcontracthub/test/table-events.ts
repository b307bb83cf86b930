/** Events of a table as the pipeline would hand them over, made from the table's contents at two times. */
import { randomUUID } from 'node:crypto'
import type { RowText } from '@sluice/core'
import { type CapturedTable, type ProjectedEvent, qualifiedName } from '@sluice/system'
import type pg from 'pg'

/** Values over this size that did not change are not sent: a row's large values are out of line from about here on. */
const UNSENT_CHARACTERS = 2_000

export type TableContents = ReadonlyMap<string, RowText>

/** Rows by primary key, every value as PostgreSQL's text. */
export async function contentsOf(client: pg.Client, table: CapturedTable): Promise<TableContents> {
  const columns = table.columnNames.map((c) => `"${c}"::text`).join(', ')
  const { rows } = await client.query<RowText>(`SELECT ${columns} FROM ${qualifiedName(table)} ORDER BY ${table.key.join(', ')}`)
  return new Map(rows.map((row) => [JSON.stringify(table.key.map((k) => row[k])), row]))
}

/** What an initial load gives. */
export function loadedEvents(table: CapturedTable, contents: TableContents): readonly ProjectedEvent[] {
  return [...contents.values()].map((after) =>
    tableEvent(table, { op: 'r', eventType: table.eventTypes.loaded, before: null, after }),
  )
}

/** What happened between two times; a key that changed is a delete and an insert here. */
export function eventsBetween(table: CapturedTable, former: TableContents, present: TableContents): readonly ProjectedEvent[] {
  const deleted = [...former].flatMap(([key, row]) => (present.has(key) ? [] : [deletedEvent(table, row)]))
  const written = [...present].flatMap(([key, row]) => {
    const before = former.get(key)
    if (!before) return [tableEvent(table, { op: 'c', eventType: table.eventTypes.created, before: null, after: row })]
    return JSON.stringify(before) === JSON.stringify(row) ? [] : [updatedEvent(table, before, row)]
  })
  return [...deleted, ...written]
}

export function deletedEvent(table: CapturedTable, row: RowText): ProjectedEvent {
  return tableEvent(table, { op: 'd', eventType: table.eventTypes.deleted, before: keyOf(table, row), after: null })
}

/** @param changes Columns that change; the others are sent as well, unless they are large. */
export function updatedEvent(table: CapturedTable, former: RowText, changes: RowText): ProjectedEvent {
  const row = { ...former, ...changes }
  const isSent = (column: string): boolean => row[column] !== former[column] || (row[column]?.length ?? 0) <= UNSENT_CHARACTERS
  const after = Object.fromEntries(Object.entries(row).filter(([column]) => isSent(column)))
  const before = table.key.some((k) => row[k] !== former[k]) ? keyOf(table, former) : null
  return tableEvent(table, { op: 'u', eventType: table.eventTypes.updated, before, after })
}

export function truncatedEvent(table: CapturedTable): ProjectedEvent {
  return tableEvent(table, { op: 't', eventType: table.eventTypes.truncated, before: null, after: null })
}

/** An application's own event. */
export function ownEvent(eventType: string, payload: string): ProjectedEvent {
  return { ...bareEvent(), op: 'e', eventType, aggregateType: 'Own', before: null, after: null, payload }
}

function tableEvent(table: CapturedTable, change: Pick<ProjectedEvent, 'op' | 'eventType' | 'before' | 'after'>): ProjectedEvent {
  return { ...bareEvent(), ...change, aggregateType: table.aggregateType, payload: null }
}

function keyOf(table: CapturedTable, row: RowText): RowText {
  return Object.fromEntries(table.key.map((k) => [k, row[k] ?? null]))
}

function bareEvent(): Omit<ProjectedEvent, 'op' | 'eventType' | 'aggregateType' | 'before' | 'after' | 'payload'> {
  return {
    eventId: randomUUID(),
    aggregateId: randomUUID(),
    aggregateKey: null,
    version: 1,
    lane: 1,
    position: 1n,
    commitLsn: '0/1',
    committedAtMicros: 0n,
    context: {},
    migrationId: null,
  }
}

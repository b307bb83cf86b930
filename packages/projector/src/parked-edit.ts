/**
 * Edits of parked events: what one service is to take in the place of a value that it refuses. Store and topic keep the event as it was
 * (promise 1), so the row differs from its source from then on, and `verify` names it (decision 0013).
 *
 * D1  An edit is written before anything takes effect; it does with the retry that applies its event, in the same transaction.
 * D2  Kept for good are who, when, why and the hashes of both values; the new value only until its event has left the lot.
 */
import type { EventDecoder } from '@sluice/avro'
import { type RowText, SluiceError, textSha256 } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import { type CapturedTable, type ProjectedEvent, type SystemDefinition, lanesOf } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { BatchEvent } from './batch.ts'
import { textArray } from './text-array.ts'

export interface ParkedEdit {
  readonly eventId: string
  /** PostgreSQL's text of each column's new value, null for NULL. */
  readonly values: RowText
  readonly requestedBy: string
  readonly reason: string
  /** Says what would change, and changes nothing. */
  readonly isDryRun: boolean
}

export interface EditedColumn {
  readonly column: string
  /** Absent where the event does not have the value: it was not sent, or is only claimed. */
  readonly from?: string | null
  readonly to: string | null
}

export interface ParkedEditOptions {
  readonly system: SystemDefinition
  readonly service: string
  readonly target: PostgresTarget
  readonly decoder: EventDecoder
}

/**
 * Edits one parked event; a retry applies it.
 *
 * @returns what changes, with values, for the person who asked; null if the event is not parked
 * @throws SluiceError SLU-5024 if a column can not be edited; SLU-4204, SLU-4201, SLU-2001 to SLU-2004
 */
export function editParked(options: ParkedEditOptions, edit: ParkedEdit): Promise<readonly EditedColumn[] | null> {
  return withConnection(options.target, { applicationName: 'sluice parked edit', statementTimeoutMs: 10_000 }, async (client) => {
    const { rows } = await client.query<{ message: Buffer }>('SELECT message FROM public.parked_events WHERE event_id = $1', [
      edit.eventId,
    ])
    const [row] = rows
    if (!row) return null
    const event = await options.decoder.decode(row.message)
    const columns = editedColumns(options, event, edit.values)
    if (edit.isDryRun) return columns
    return (await store(client, event, edit, columns)) ? columns : null
  })
}

/** Puts the edits of events in their place; to be called in the transaction that took them out of the lot. */
export async function withEdits(client: ClientBase, items: readonly BatchEvent[]): Promise<readonly BatchEvent[]> {
  if (items.length === 0) return items
  const { rows } = await client.query<{ event_id: string; column_name: string; value: string | null }>(
    `SELECT DISTINCT ON (event_id, column_name) event_id::text, column_name, value FROM public.parked_event_edits
     WHERE event_id = ANY ($1::uuid[]) ORDER BY event_id, column_name, id DESC`,
    [textArray(items.map((item) => item.event.eventId))],
  )
  if (rows.length === 0) return items
  const edits = Map.groupBy(rows, (row) => row.event_id)
  return items.map((item) => {
    const edited = edits.get(item.event.eventId)
    if (!edited) return item
    const values = new Map(edited.map((row) => [row.column_name, row.value]))
    const { claims, ...event } = item.event
    const left = claims?.filter(({ row, column }) => row === 'before' || !values.has(column)) ?? []
    const after = { ...event.after, ...Object.fromEntries(values) }
    return { ...item, event: { ...event, after, ...(left.length > 0 ? { claims: left } : {}) } }
  })
}

/** Ends the edits of events that have left the lot. @param isApplied False for events that were given up. */
export async function endEdits(client: ClientBase, items: readonly BatchEvent[], isApplied: boolean): Promise<void> {
  if (items.length === 0) return
  await client.query(
    `UPDATE public.parked_event_edits e SET value = NULL, applied_at = CASE WHEN $2 AND NOT EXISTS (
       SELECT FROM public.parked_event_edits n WHERE n.event_id = e.event_id AND n.column_name = e.column_name AND n.id > e.id) THEN now() END
     WHERE event_id = ANY ($1::uuid[])`,
    [textArray(items.map((item) => item.event.eventId)), isApplied],
  )
}

function editedColumns({ system, service }: ParkedEditOptions, event: ProjectedEvent, values: RowText): readonly EditedColumn[] {
  const table = lanesOf(system)
    .flatMap((lane) => lane.tables)
    .find((t) => t.aggregateType === event.aggregateType)
  const { after } = event
  if (event.op === 'e' || !table || !after) throw refused(service, event, `a change with op "${event.op}" has no new row`)
  return Object.entries(values).map(([column, to]) => {
    const why = whyNot(table, column)
    if (why !== null) throw refused(service, event, why)
    const from = after[column]
    return { column, to, ...(from === undefined ? {} : { from }) }
  })
}

function whyNot(table: CapturedTable, column: string): string | null {
  if (!table.columnNames.includes(column))
    return `${table.schema}.${table.name} has no column "${column}"; it has ${table.columnNames.join(', ')}`
  if (table.key.includes(column)) return `"${column}" is part of the key: another key is another row`
  if (table.privacy[column]) return `"${column}" is private: its captured form can not be made here`
  return null
}

/** @returns false if the event has left the lot meanwhile; then nothing is written */
async function store(
  client: ClientBase,
  event: ProjectedEvent,
  { requestedBy, reason }: ParkedEdit,
  columns: readonly EditedColumn[],
): Promise<boolean> {
  const hashes = (text: (column: EditedColumn) => string | null | undefined): (string | null)[] =>
    columns.map((column) => {
      const of = text(column)
      return typeof of === 'string' ? textSha256(of) : null
    })
  // The row is locked, so a retry that began before is waited for, and one that comes after has the edit.
  const { rowCount } = await client.query(
    `WITH parked AS (SELECT event_id, lane, position, aggregate_type FROM public.parked_events WHERE event_id = $1 FOR UPDATE)
     INSERT INTO public.parked_event_edits
       (event_id, lane, position, aggregate_type, aggregate_key, column_name, value, old_sha256, new_sha256, requested_by, reason)
     SELECT p.*, $2, c.name, c.value, decode(c.old, 'hex'), decode(c.new, 'hex'), $3, $4
     FROM parked p, unnest($5::text[], $6::text[], $7::text[], $8::text[]) AS c (name, value, old, new)`,
    [
      event.eventId,
      event.aggregateKey ?? event.aggregateId,
      requestedBy,
      reason,
      textArray(columns.map((c) => c.column)),
      textArray(columns.map((c) => c.to)),
      textArray(hashes((c) => c.from)),
      textArray(hashes((c) => c.to)),
    ],
  )
  return (rowCount ?? 0) > 0
}

function refused(service: string, event: ProjectedEvent, why: string): SluiceError {
  return new SluiceError('EDIT_REFUSED', {
    what: `event ${event.eventId} can not be edited like that in ${service}`,
    why,
    ways: [
      `change the row in the source, in a transaction that names ${event.eventId} as its cause, then: sluice parked skip ${service} ${event.eventId} --reason '<why>'`,
    ],
  })
}

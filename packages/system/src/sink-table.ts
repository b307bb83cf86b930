/**
 * Tables outside of PostgreSQL that a service's projector fills: a row an event, or an object an aggregate (decision 0021). What is in
 * them are columns of the captured row and fields of the event, as they are: no SQL runs in a sink.
 */
import type { CapturedTable } from './captured-table.ts'
import type { ColumnRef } from './sql-expression.ts'

/** The kinds of stores that there is an adapter for. */
export type SinkStore = 'clickhouse' | 'weaviate'

/** What an event says of itself, as text. The id, lane, position, operation and time of it are in every row without being named. */
export type SinkField = 'eventType' | 'userId' | 'userUuid' | 'correlationId' | 'correlationUuid' | 'causationId'

export interface SinkFieldRef {
  readonly kind: 'event field'
  readonly field: SinkField
}

export type SinkSource = ColumnRef | SinkFieldRef

/** Rows of an initial load or backfill in a table of events. */
export interface SinkHistory {
  /** In the place of the loaded rows' own event type: `HistoricalImport`. */
  readonly eventType: string
  /** A time of the row, `timestamptz`. */
  readonly column: ColumnRef
  /** Rows whose time is further back when they are read have no row in the table. */
  readonly days: number
}

export interface SinkTable {
  /** `events`: a row an event, also of removals and truncates. `objects`: the newest state of each aggregate. */
  readonly kind: 'events' | 'objects'
  readonly store: SinkStore
  /** Of the table or class in the store. */
  readonly name: string
  readonly source: CapturedTable
  /** Column of the table to what it holds. */
  readonly columns: Readonly<Record<string, SinkSource>>
  /** What makes the table: a `.sql` file for ClickHouse. `sluice provision` runs it. */
  readonly structure: URL
  /** Null where loaded rows are events like any other. */
  readonly history: SinkHistory | null
}

/** Fields of an event for the columns of a sink's table. */
export const SINK_FIELDS: { readonly [Field in SinkField]: SinkFieldRef } = {
  eventType: { kind: 'event field', field: 'eventType' },
  userId: { kind: 'event field', field: 'userId' },
  /** The user id where a column is a UUID: itself if it is one, else its UUIDv5. */
  userUuid: { kind: 'event field', field: 'userUuid' },
  correlationId: { kind: 'event field', field: 'correlationId' },
  /** The same of the correlation id. */
  correlationUuid: { kind: 'event field', field: 'correlationUuid' },
  causationId: { kind: 'event field', field: 'causationId' },
}

export interface ClickhouseEventsOptions<Column extends string> {
  readonly into: string
  readonly structure: URL
  /** @param e Fields of the event. */
  readonly columns: (c: { readonly [C in Column]: ColumnRef<C> }, e: typeof SINK_FIELDS) => Readonly<Record<string, SinkSource>>
  /** @default loaded rows are events like any other */
  readonly history?: {
    readonly eventType: string
    readonly column: (c: { readonly [C in Column]: ColumnRef<C> }) => ColumnRef
    readonly days: number
  }
}

/** A table of ClickHouse with a row for each event of a captured table. */
export function clickhouseEvents<Name extends string, Column extends string>(
  source: CapturedTable<Name, Column>,
  { into, structure, columns, history }: ClickhouseEventsOptions<Column>,
): SinkTable {
  return {
    kind: 'events',
    store: 'clickhouse',
    name: into,
    source,
    columns: columns(source.refs, SINK_FIELDS),
    structure,
    history: history ? { ...history, column: history.column(source.refs) } : null,
  }
}

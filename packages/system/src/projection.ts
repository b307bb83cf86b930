/** How a service's table is built from events: a mapping in SQL, or a handler in code. */
import type { Claim, Operation, RowText, TransactionContext } from '@sluice/core'
import type { CapturedTable } from './captured-table.ts'
import { EVENT_REFS, type EventRefs } from './event-field.ts'
import type { HeldColumn } from './held-column.ts'
import type { ColumnRef, ColumnSource, SqlExpression } from './sql-expression.ts'

/** A target table built from one captured table in sets: rename, transform, split (several mappings), filter. */
export interface TableMapping {
  readonly kind: 'mapping'
  /** Unique in its service: `opportunities->opportunity_index`. */
  readonly name: string
  readonly source: CapturedTable
  readonly targetSchema: string
  readonly target: string
  /** Target column to what it holds. */
  readonly columns: Readonly<Record<string, ColumnSource>>
  /** Target columns to what they hold of the newest event that wrote the row: their references are fields of the event. */
  readonly tracking: Readonly<Record<string, ColumnSource>>
  /** Target columns that hold the source's key, one for each, each a plain reference. They must be unique in the target. */
  readonly targetKey: readonly string[]
  /** Rows for which it is not true are not in the target. */
  readonly filter: SqlExpression | null
  /** Service that owns the rows: here they are a copy that only the projector writes. Null if this service owns them. */
  readonly copyOf: string | null
}

/** Runs SQL in the projector's own transaction. */
export interface ProjectionTransaction {
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: Row[]; rowCount: number | null }>
}

/** An event as a handler meets it. Ids and times come from it, never from the clock: a replay must give the same rows. */
export interface ProjectedEvent {
  readonly eventId: string
  readonly eventType: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly aggregateKey: string | null
  readonly version: number
  readonly lane: number
  readonly position: bigint
  readonly commitLsn: string
  /** Time of the source's commit, microseconds since 1970. */
  readonly committedAtMicros: bigint
  readonly context: TransactionContext
  readonly migrationId: string | null
  readonly op: Operation
  /** PostgreSQL's text of each column; an absent column is unavailable, never NULL. */
  readonly before: RowText | null
  readonly after: RowText | null
  /** JSON text of an application's own event. */
  readonly payload: string | null
  /** Values that lie in the pipeline database; they are fetched before a handler meets the event, which then has none. */
  readonly claims?: readonly Claim[]
}

/** What a table built by a handler must hold: a query over its source, written apart from the handler. */
export interface Expectation {
  /**
   * Service whose database `query` reads, for a table that is fed by the events of that service's outbox.
   * @default the monolith
   */
  readonly source?: string
  readonly targetSchema: string
  readonly target: string
  readonly key: readonly string[]
  /** Columns that are compared, in order; others are named as target-only. */
  readonly columns: readonly string[]
  /** SELECT over the source that gives exactly `columns`, with schema-qualified tables, cast to the target's types. */
  readonly query: string
}

export interface EventHandler {
  readonly kind: 'handler'
  readonly name: string
  /** Topics of these captured tables are consumed, and their events handed over. */
  readonly tables: readonly CapturedTable[]
  /** Own events of applications, by event type, are handed over too. */
  readonly eventTypes: readonly string[]
  readonly expectations: readonly Expectation[]
  /** Where it keeps granted columns in the clear; null if the definition does not say, which needs tables without granted columns. */
  readonly holds: readonly HeldColumn[] | null
  /** True if it writes nothing but events into the service's outbox: then no table of it is to be verified. */
  readonly isEventsOnly: boolean
  /** True if a row that it writes is made of several keys: their events must then be in order with a truncate, as no independent service has them. */
  readonly isOverKeys: boolean
  /**
   * Runs once an event, in position order, inside the projector's transaction and the event's correlation context. It reads
   * its event and the tables that only it writes: tables that mappings fill may be ahead of the event.
   */
  readonly apply: (event: ProjectedEvent, transaction: ProjectionTransaction) => Promise<void>
}

export type Projection = TableMapping | EventHandler

export interface TableMappingOptions<Column extends string> {
  readonly into: string
  /**
   * Unique in the service; needed where two mappings of one table share a target.
   * @default `<table>-><into>`
   */
  readonly name?: string
  /** @default 'public' */
  readonly schema?: string
  /** @default every column under its own name */
  readonly columns?: (c: { readonly [C in Column]: ColumnRef<C> }) => Readonly<Record<string, ColumnSource>>
  /**
   * Columns in which the service notes what wrote a row, set with every event that writes it. The monolith has nothing like them:
   * `verify` names them as columns that only the target has.
   * @default none
   */
  readonly tracking?: (event: EventRefs) => Readonly<Record<string, ColumnSource>>
  /** @default all rows */
  readonly filter?: (c: { readonly [C in Column]: ColumnRef<C> }) => SqlExpression
  /**
   * Service that owns the rows, by name: what is mapped here is a copy that this service only reads, decision 0020.
   * @default none: this service owns them
   */
  readonly copyOf?: string
}

/** Maps a captured table into a table of the service. */
export function mapTable<Name extends string, Column extends string>(
  source: CapturedTable<Name, Column>,
  options: TableMappingOptions<Column>,
): TableMapping {
  const columns = options.columns?.(source.refs) ?? source.refs
  return {
    kind: 'mapping',
    name: options.name ?? `${source.name}->${options.into}`,
    source,
    targetSchema: options.schema ?? 'public',
    target: options.into,
    columns,
    tracking: options.tracking?.(EVENT_REFS) ?? {},
    targetKey: source.key.flatMap((keyColumn) => {
      const held = Object.entries<ColumnSource>(columns).find(([, from]) => from.kind === 'column' && from.name === keyColumn)
      return held ? [held[0]] : []
    }),
    filter: options.filter?.(source.refs) ?? null,
    copyOf: options.copyOf ?? null,
  }
}

export interface EventHandlerOptions {
  readonly tables?: readonly CapturedTable[]
  readonly eventTypes?: readonly string[]
  readonly expectations?: readonly Expectation[]
  /**
   * Needed where one of `tables` has columns that the service is granted: every place where the handler keeps such a value, as it
   * is. An erasure overwrites it there, and nowhere else. None: `[]`.
   */
  readonly holds?: readonly HeldColumn[]
  /** @default false */
  readonly isEventsOnly?: boolean
  /** @default false */
  readonly isOverKeys?: boolean
  readonly apply: EventHandler['apply']
}

export function handler(name: string, options: EventHandlerOptions): EventHandler {
  return {
    kind: 'handler',
    name,
    tables: options.tables ?? [],
    eventTypes: options.eventTypes ?? [],
    expectations: options.expectations ?? [],
    holds: options.holds ?? null,
    isEventsOnly: options.isEventsOnly ?? false,
    isOverKeys: options.isOverKeys ?? false,
    apply: options.apply,
  }
}

/** A table of the monolith whose changes become events. */
import type { ColumnType } from './column-type.ts'
import type { ColumnRef } from './sql-expression.ts'
import type { TopicDefinition } from './topic.ts'

/** Event types of an aggregate, as the outside world reads them. */
export interface EventTypes {
  /** A row of an initial load or backfill: `OpportunityMigrated`. */
  readonly loaded: string
  readonly created: string
  readonly updated: string
  readonly deleted: string
  readonly truncated: string
}

export interface CapturedTable<Name extends string = string, Column extends string = string> {
  readonly kind: 'table'
  readonly schema: string
  readonly name: Name
  readonly columns: Readonly<Record<Column, ColumnType>>
  /** Column names in the order of the definition: the order of the Avro fields. */
  readonly columnNames: readonly Column[]
  /** Primary key, in the order of its index. */
  readonly key: readonly Column[]
  readonly aggregateType: string
  readonly eventTypes: EventTypes
  readonly topic: TopicDefinition
  /** A reference for every column, for `sql` and mappings. */
  readonly refs: { readonly [C in Column]: ColumnRef<C> }
}

export interface CapturedTableOptions<Columns extends Readonly<Record<string, ColumnType>>> {
  /** @default 'public' */
  readonly schema?: string
  readonly columns: Columns
  readonly key: readonly (keyof Columns & string)[]
  /** PascalCase name of the aggregate, `Opportunity`; the event types are made from it. */
  readonly aggregate: string
  /** @default `<Aggregate>Migrated`, `…Created`, `…Updated`, `…Deleted`, `…Truncated` */
  readonly eventTypes?: Partial<EventTypes>
  readonly topic: TopicDefinition
}

export function table<const Name extends string, const Columns extends Readonly<Record<string, ColumnType>>>(
  name: Name,
  options: CapturedTableOptions<Columns>,
): CapturedTable<Name, keyof Columns & string> {
  type Column = keyof Columns & string
  const columnNames = Object.keys(options.columns) as Column[]
  const { aggregate } = options
  return {
    kind: 'table',
    schema: options.schema ?? 'public',
    name,
    columns: options.columns,
    columnNames,
    key: options.key,
    aggregateType: aggregate,
    eventTypes: {
      loaded: `${aggregate}Migrated`,
      created: `${aggregate}Created`,
      updated: `${aggregate}Updated`,
      deleted: `${aggregate}Deleted`,
      truncated: `${aggregate}Truncated`,
      ...options.eventTypes,
    },
    topic: options.topic,
    refs: Object.fromEntries(columnNames.map((c) => [c, { kind: 'column', name: c }])) as { [C in Column]: ColumnRef<C> },
  }
}

/** `public.opportunities`: how a table is named in messages, identities and metrics; not quoted for SQL. */
export function qualifiedName(table: { readonly schema: string; readonly name: string }): string {
  return `${table.schema}.${table.name}`
}

/** A table of the monolith whose changes become events. */
import type { ColumnType } from './column-type.ts'
import { type DroppedColumn, type PrivacyRule, type PrivacyRules, capturedType } from './privacy.ts'
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
  /** Types of the captured forms: what events, topics and services have. */
  readonly columns: Readonly<Record<Column, ColumnType>>
  /** Column names in the order of the definition: the order of the Avro fields. */
  readonly columnNames: readonly Column[]
  /** Types as the source has them, also of the columns that are dropped. */
  readonly sourceColumns: Readonly<Record<string, ColumnType>>
  /** Rules by column; a column without one is captured in the clear. */
  readonly privacy: Readonly<Record<string, PrivacyRule>>
  /** Primary key, in the order of its index. */
  readonly key: readonly Column[]
  readonly aggregateType: string
  readonly eventTypes: EventTypes
  readonly topic: TopicDefinition
  /** A reference for every column, for `sql` and mappings. */
  readonly refs: { readonly [C in Column]: ColumnRef<C> }
}

export interface CapturedTableOptions<
  Columns extends Readonly<Record<string, ColumnType>>,
  Rules extends PrivacyRules<keyof Columns & string>,
> {
  /** @default 'public' */
  readonly schema?: string
  readonly columns: Columns
  readonly key: readonly (keyof Columns & string)[]
  /** PascalCase name of the aggregate, `Opportunity`; the event types are made from it. */
  readonly aggregate: string
  /** @default `<Aggregate>Migrated`, `…Created`, `…Updated`, `…Deleted`, `…Truncated` */
  readonly eventTypes?: Partial<EventTypes>
  readonly topic: TopicDefinition
  /** What becomes of columns before they leave the reader. @default every column is captured in the clear */
  readonly privacy?: Rules
}

export function table<
  const Name extends string,
  const Columns extends Readonly<Record<string, ColumnType>>,
  const Rules extends PrivacyRules<keyof Columns & string> = PrivacyRules<keyof Columns & string>,
>(
  name: Name,
  options: CapturedTableOptions<Columns, Rules>,
): CapturedTable<Name, Exclude<keyof Columns & string, DroppedColumn<Rules>>> {
  type Column = Exclude<keyof Columns & string, DroppedColumn<Rules>>
  const rules = Object.entries<PrivacyRule | undefined>(options.privacy ?? {})
  const privacy = Object.fromEntries(rules.flatMap(([name, rule]) => (rule === undefined ? [] : [[name, rule] as const])))
  const sourceColumns: Readonly<Record<string, ColumnType>> = options.columns
  const columnNames = Object.keys(options.columns).filter((c) => privacy[c]?.kind !== 'drop') as Column[]
  const { aggregate } = options
  return {
    kind: 'table',
    schema: options.schema ?? 'public',
    name,
    columns: Object.fromEntries(columnNames.map((c) => [c, capturedType(sourceColumns[c]!, privacy[c])])) as {
      [C in Column]: ColumnType
    },
    columnNames,
    sourceColumns,
    privacy,
    key: options.key as readonly Column[],
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

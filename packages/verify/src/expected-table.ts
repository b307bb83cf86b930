/**
 * What the tables of a service must hold, as queries over their source: derived from a mapping in SQL, or an expectation
 * that stands beside a handler. Several that fill one table are put together.
 */
import { quoteIdentifier, quoteQualified } from '@sluice/postgres'
import { type CapturedTable, type ServiceDefinition, type TableMapping, renderSql, type Expectation } from '@sluice/system'
import { MONOLITH } from './point-scope.ts'

export interface ExpectedTable {
  readonly schema: string
  readonly table: string
  readonly key: readonly string[]
  readonly columns: readonly string[]
  /** `monolith`, or the service whose database the queries read. */
  readonly source: string
  /** Queries over the source, each giving `columns` in order; the table must hold the rows of all. */
  readonly queries: readonly string[]
  /** Why the table can't be verified, or null. */
  readonly unverifiable: string | null
}

/** Tables of all projections of a service, in the order of the definition. */
export function expectedTables(service: ServiceDefinition): readonly ExpectedTable[] {
  const all = service.projections.flatMap((projection) =>
    projection.kind === 'mapping' ? [ofMapping(projection)] : projection.expectations.map(ofExpectation),
  )
  const byName = Map.groupBy(all, (expected) => quoteQualified(expected.schema, expected.table))
  return [...byName.values()].map(together)
}

/** Names of handlers that write tables of which nothing says what they must hold. */
export function handlersWithoutExpectation(service: ServiceDefinition): readonly string[] {
  return service.projections.flatMap((p) =>
    p.kind === 'handler' && p.expectations.length === 0 && !p.isEventsOnly ? [p.name] : [],
  )
}

/** How a table is called in reports. */
export function tableName(schema: string, table: string): string {
  return schema === 'public' ? table : `${schema}.${table}`
}

function ofMapping(mapping: TableMapping): ExpectedTable {
  const { source } = mapping
  const columns = Object.keys(mapping.columns)
  const render = (column: string): string => columnSql(source, column)
  const values = columns.map((column) => `(${renderSql(mapping.columns[column]!, render)}) AS ${quoteIdentifier(column)}`)
  const filter = mapping.filter === null ? '' : ` WHERE (${renderSql(mapping.filter, render)})`
  return {
    schema: mapping.targetSchema,
    table: mapping.target,
    key: mapping.targetKey,
    columns,
    source: MONOLITH,
    queries: [`SELECT ${values.join(', ')} FROM ${quoteQualified(source.schema, source.name)} AS s${filter}`],
    unverifiable: mapping.targetKey.length === 0 ? `mapping "${mapping.name}" keeps no column of the source's key` : null,
  }
}

/** A column as the projector's SQL meets it: a type that only the source has is text there. */
function columnSql(source: CapturedTable, column: string): string {
  const name = `s.${quoteIdentifier(column)}`
  return source.columns[column]?.isSourceOnly === true ? `${name}::text` : name
}

function ofExpectation(expectation: Expectation): ExpectedTable {
  const foreign = expectation.key.filter((column) => !expectation.columns.includes(column))
  return {
    schema: expectation.targetSchema,
    table: expectation.target,
    key: expectation.key,
    columns: expectation.columns,
    source: expectation.source ?? MONOLITH,
    queries: [expectation.query],
    unverifiable:
      foreign.length > 0
        ? `key columns ${foreign.join(', ')} are not among the expectation's columns`
        : expectation.key.length === 0
          ? 'the expectation names no key'
          : null,
  }
}

/** One table filled by several projections: its rows are those of all, if they fill the same columns. */
function together(parts: readonly ExpectedTable[]): ExpectedTable {
  const first = parts[0]!
  const isOneShape = parts.every(
    (p) => p.source === first.source && isSame(p.columns, first.columns) && isSame(p.key, first.key) && p.source === first.source,
  )
  return {
    ...first,
    queries: parts.flatMap((p) => p.queries),
    unverifiable: isOneShape
      ? (parts.find((p) => p.unverifiable !== null)?.unverifiable ?? null)
      : 'several projections fill it in different columns, or from different sources: give it one expectation',
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, i) => name === other[i])
}

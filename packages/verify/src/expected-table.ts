/**
 * What the tables of a service must hold, as queries over their source: derived from a mapping in SQL, or an expectation
 * that stands beside a handler. Several that fill one table are put together.
 */
import { quoteIdentifier, quoteLiteral, quoteQualified } from '@sluice/core'
import { type Grants, capturedSql, isErasedSql, isErasedSubjectSql } from '@sluice/privacy'
import {
  type ClearColumn,
  type Expectation,
  type ServiceDefinition,
  type TableMapping,
  clearColumnsOf,
  columnsOf,
  grantedColumns,
  qualifiedName,
  renderSql,
} from '@sluice/system'
import { MONOLITH } from './point-scope.ts'
import type { RowFilters } from './row-filters.ts'

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
  /** Where the source has private columns; null where it has none. */
  readonly privacy: ExpectedPrivacy | null
}

/** What of a table's source leaves it in another form. */
export interface ExpectedPrivacy {
  /** Columns of the source that are not captured. */
  readonly dropped: readonly string[]
  /** Columns of the target that hold encrypted values, which are opened to be compared: not among `columns`. */
  readonly sealed: readonly SealedColumn[]
  /** Queries that give the key and the clear values of `sealed`, in order. */
  readonly sealedQueries: readonly string[]
  /** Queries that give one count each: rows whose granted values stand for those of an erased subject. */
  readonly erasedQueries: readonly string[]
}

export interface SealedColumn {
  readonly column: string
  /** What its values are bound to: `schema.table.column` of the source. */
  readonly place: string
}

/**
 * Tables of all projections of a service, in the order of the definition.
 *
 * @param rowFilters Of the monolith's publication; an expectation says itself which rows it means. @default none
 */
export function expectedTables(service: ServiceDefinition, rowFilters: RowFilters = new Map()): readonly ExpectedTable[] {
  const all = service.projections.flatMap((projection) =>
    projection.kind === 'mapping'
      ? [ofMapping(service, projection, rowFilters)]
      : projection.expectations.map((expectation) => ofExpectation(expectation, clearOf(service, expectation))),
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

function ofMapping(service: ServiceDefinition, mapping: TableMapping, rowFilters: RowFilters): ExpectedTable {
  const { source } = mapping
  const grants = grantedColumns(service, source)
  const sealed = sealedColumns(mapping, grants)
  const opaque = opaqueColumn(mapping, grants)
  const columns = Object.keys(mapping.columns).filter((column) => !sealed.some((s) => s.column === column))
  // An encrypted column that is read all the same makes the table unverifiable, and its query is not run.
  const render = (column: string): string => capturedSql(source, column, grants, 's') ?? 'NULL'
  const values = columns.map((column) => `(${renderSql(mapping.columns[column]!, render)}) AS ${quoteIdentifier(column)}`)
  const filter = mapping.filter === null ? '' : ` WHERE (${renderSql(mapping.filter, render)})`
  const from = `FROM ${sentRows(source, rowFilters)} AS s${filter}`
  return {
    schema: mapping.targetSchema,
    table: mapping.target,
    key: mapping.targetKey,
    columns,
    source: MONOLITH,
    queries: [`SELECT ${values.join(', ')} ${from}`],
    unverifiable:
      mapping.targetKey.length === 0
        ? `mapping "${mapping.name}" keeps no column of the source's key`
        : opaque === null
          ? null
          : `mapping "${mapping.name}" computes with the encrypted column ${opaque}, of which the service has the ciphertext`,
    privacy: privacyOf(mapping, grants, { sealed, values, from }),
  }
}

function sentRows(source: TableMapping['source'], rowFilters: RowFilters): string {
  const table = quoteQualified(source.schema, source.name)
  const rowFilter = rowFilters.get(qualifiedName(source))
  return rowFilter === undefined ? table : `(SELECT * FROM ${table} WHERE (\n${rowFilter}\n))`
}

/** Target columns that hold a source column as it is, encrypted. */
function sealedColumns({ source, columns }: TableMapping, grants: Grants): readonly SealedColumn[] {
  return Object.entries(columns).flatMap(([column, of]) =>
    of.kind === 'column' && capturedSql(source, of.name, grants, 's') === null
      ? [{ column, place: `${qualifiedName(source)}.${of.name}` }]
      : [],
  )
}

/** An encrypted column that an expression or the filter reads. */
function opaqueColumn({ source, columns, filter }: TableMapping, grants: Grants): string | null {
  const expressions = [...Object.values(columns), ...(filter ? [filter] : [])].filter((from) => from.kind === 'expression')
  return expressions.flatMap(columnsOf).find((name) => capturedSql(source, name, grants, 's') === null) ?? null
}

function privacyOf(
  { source, columns, targetKey }: TableMapping,
  grants: Grants,
  {
    sealed,
    values,
    from,
  }: { readonly sealed: readonly SealedColumn[]; readonly values: readonly string[]; readonly from: string },
): ExpectedPrivacy | null {
  const rules = Object.entries(source.privacy)
  if (rules.length === 0) return null
  const key = values.filter((value) => targetKey.some((column) => value.endsWith(` AS ${quoteIdentifier(column)}`)))
  const clear = sealed.map(({ column }) => {
    const of = columns[column]!
    return `s.${quoteIdentifier(of.kind === 'column' ? of.name : column)}::text AS ${quoteIdentifier(column)}`
  })
  const held = Object.values(columns).flatMap((of) => (of.kind === 'column' && grants.has(of.name) ? [of.name] : []))
  const erased = held.flatMap((name) => {
    const rule = source.privacy[name]
    return rule?.kind === 'encrypt' ? [`(s.${quoteIdentifier(name)} IS NOT NULL AND ${isErasedSql(source, rule, 's')})`] : []
  })
  return {
    dropped: rules.flatMap(([name, rule]) => (rule.kind === 'drop' ? [name] : [])),
    sealed,
    sealedQueries: sealed.length === 0 ? [] : [`SELECT ${[...key, ...clear].join(', ')} ${from}`],
    erasedQueries: erased.length === 0 ? [] : [`SELECT count(*) FILTER (WHERE ${erased.join(' OR ')}) AS rows ${from}`],
  }
}

/** Granted values that a handler keeps in columns of an expectation. */
function clearOf(service: ServiceDefinition, { targetSchema, target, columns }: Expectation): readonly ClearColumn[] {
  return clearColumnsOf(service).filter(
    (clear) => clear.targetSchema === targetSchema && clear.target === target && columns.includes(clear.column),
  )
}

/** The query over the source has the values of erased subjects still: in their place the placeholder is expected. */
function erasedQuery({ columns, query }: Expectation, clear: readonly ClearColumn[]): string {
  const values = columns.map((column) => {
    const value = `e.${quoteIdentifier(column)}`
    const of = clear.find((c) => c.column === column)
    if (!of) return value
    const placeholder = of.placeholder === null ? 'NULL' : quoteLiteral(of.placeholder)
    return `CASE WHEN ${isErasedValue(of)} THEN ${placeholder} ELSE ${value} END AS ${quoteIdentifier(column)}`
  })
  return `SELECT ${values.join(', ')} FROM (${query}) AS e`
}

function isErasedValue({ column, subjectColumn, subjectKind }: ClearColumn): string {
  return `(e.${quoteIdentifier(column)} IS NOT NULL AND ${isErasedSubjectSql(subjectKind, `e.${quoteIdentifier(subjectColumn)}`)})`
}

function ofExpectation(expectation: Expectation, clear: readonly ClearColumn[]): ExpectedTable {
  const foreign = expectation.key.filter((column) => !expectation.columns.includes(column))
  const untold = clear.find((c) => !expectation.columns.includes(c.subjectColumn))
  const isErasable = clear.length > 0 && untold === undefined
  return {
    schema: expectation.targetSchema,
    table: expectation.target,
    key: expectation.key,
    columns: expectation.columns,
    source: expectation.source ?? MONOLITH,
    queries: [isErasable ? erasedQuery(expectation, clear) : expectation.query],
    unverifiable:
      foreign.length > 0
        ? `key columns ${foreign.join(', ')} are not among the expectation's columns`
        : expectation.key.length === 0
          ? 'the expectation names no key'
          : untold
            ? `the expectation does not give "${untold.subjectColumn}", by which rows of erased subjects are told`
            : null,
    privacy: isErasable
      ? {
          dropped: [],
          sealed: [],
          sealedQueries: [],
          erasedQueries: [
            `SELECT count(*) FILTER (WHERE ${clear.map(isErasedValue).join(' OR ')}) AS rows FROM (${expectation.query}) AS e`,
          ],
        }
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
    privacy: first.privacy && {
      ...first.privacy,
      sealedQueries: parts.flatMap((p) => p.privacy?.sealedQueries ?? []),
      erasedQueries: parts.flatMap((p) => p.privacy?.erasedQueries ?? []),
    },
    unverifiable: isOneShape
      ? (parts.find((p) => p.unverifiable !== null)?.unverifiable ?? null)
      : 'several projections fill it in different columns, or from different sources: give it one expectation',
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, i) => name === other[i])
}

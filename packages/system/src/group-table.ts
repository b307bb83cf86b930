/**
 * Tables of groups: one row for every value of some columns, with the number of source rows and sums over them. The tables of detector
 * types, of requests, of days, that a document derives "from grouped rows".
 *
 * An update says what a row is now, not what it was. So a table of the service, the memory, keeps the columns of each source row that
 * the groups read, and the groups move by the difference: the cost of an event does not grow with its group.
 *
 * G1  The memory has every row of the source. Its columns are the source's, under their own names.
 * G2  A group has a row while it has source rows, and none otherwise.
 * G3  A column that PostgreSQL did not send is taken from the memory, so that nothing is undecidable.
 * G4  Memory and groups are written by one statement an event, and by no other projection.
 */
import { quoteIdentifier, quoteLiteral, quoteQualified } from '@sluice/core'
import { type CapturedTable, qualifiedName } from './captured-table.ts'
import { type EventHandler, type Expectation, type ProjectedEvent, type ProjectionTransaction, handler } from './projection.ts'
import { type ColumnRef, type ColumnSource, type SqlExpression, columnsOf, renderSql } from './sql-expression.ts'

export interface Group<Column extends string = string> {
  /** Table of the groups; `by` is its primary key. */
  readonly into: string
  /** @default 'public' */
  readonly schema?: string
  /** Target column to what rows of one group have in common; a row for which one is NULL is refused. */
  readonly by: (c: Refs<Column>) => Readonly<Record<string, ColumnSource>>
  /** Target column that holds the number of rows. */
  readonly count: string
  /** Target column to what is added up; NULL adds nothing. Finite values only: infinity and NaN can not be taken away again. */
  readonly sums?: (c: Refs<Column>) => Readonly<Record<string, ColumnSource>>
  /** Rows for which it is not true are in no group. */
  readonly filter?: (c: Refs<Column>) => SqlExpression
  /**
   * SELECT over the source that gives the columns of `by`, `count` and `sums`, in this order: what the groups must hold, written apart
   * from them.
   */
  readonly expectation: string
}

export interface GroupTableOptions<Column extends string> {
  /** Table of the service that remembers each source row, with the source's key. */
  readonly memory: string
  /** @default `<table>-><into of each group>` */
  readonly name?: string
  readonly groups: readonly Group<Column>[]
}

type Refs<Column extends string> = { readonly [C in Column]: ColumnRef<C> }

interface GroupPlan {
  readonly schema: string
  readonly into: string
  readonly by: Readonly<Record<string, ColumnSource>>
  readonly count: string
  readonly sums: Readonly<Record<string, ColumnSource>>
  readonly filter: SqlExpression | null
  readonly expectation: string
}

/** Groups a captured table into tables of the service. */
export function groupTable<Name extends string, Column extends string>(
  source: CapturedTable<Name, Column>,
  options: GroupTableOptions<Column>,
): EventHandler {
  const groups = options.groups.map((group): GroupPlan => ({
    schema: group.schema ?? 'public',
    into: group.into,
    by: group.by(source.refs),
    count: group.count,
    sums: group.sums?.(source.refs) ?? {},
    filter: group.filter?.(source.refs) ?? null,
    expectation: group.expectation,
  }))
  const columns = rememberedColumns(source, groups)
  const statements = statementsOf(source, options.memory, columns, groups)
  return handler(options.name ?? `${source.name}->${groups.map(({ into }) => into).join('+')}`, {
    tables: [source],
    isOverKeys: true,
    expectations: [memoryExpectation(source, options.memory, columns), ...groups.map(groupExpectation)],
    apply: (event, transaction) => applyEvent(statements, source, columns, event, transaction),
  })
}

interface GroupStatements {
  /** Parameters: the key and the new row as JSON; the new row is NULL for a row that is gone. */
  readonly move: string
  /** By group; parameter: JSON of the keys of groups that may have lost their last row. */
  readonly empty: readonly string[]
  /** Parameters: the old key and the new key as JSON. */
  readonly changeKey: string
  readonly truncate: readonly string[]
}

interface Moved {
  readonly isKnown: boolean
  /** By group, JSON of the keys of those without rows, or null. */
  readonly emptied: readonly (string | null)[]
}

async function applyEvent(
  statements: GroupStatements,
  source: CapturedTable,
  columns: readonly string[],
  event: ProjectedEvent,
  transaction: ProjectionTransaction,
): Promise<void> {
  if (event.op === 't') {
    for (const statement of statements.truncate) await transaction.query(statement)
    return
  }
  const { before, after } = event
  const row = after ?? before
  if (row === null) return
  const key = keyOf(source, row)
  if (before !== null && after !== null && source.key.some((c) => before[c] !== undefined && before[c] !== after[c])) {
    await transaction.query(statements.changeKey, [keyOf(source, before), key])
  }
  const sent = after === null ? null : Object.fromEntries(columns.flatMap((c) => (after[c] === undefined ? [] : [[c, after[c]]])))
  const { rows } = await transaction.query<Moved>(statements.move, [key, sent === null ? null : JSON.stringify(sent)])
  const [moved] = rows
  if (sent !== null && moved?.isKnown === false && columns.some((c) => !(c in sent))) {
    throw new RangeError('a row that is to be updated is not remembered, and not all of it was sent')
  }
  for (const [i, emptied] of (moved?.emptied ?? []).entries()) {
    if (emptied !== null) await transaction.query(statements.empty[i]!, [emptied])
  }
}

function keyOf(source: CapturedTable, row: Readonly<Record<string, string | null | undefined>>): string {
  return JSON.stringify(Object.fromEntries(source.key.map((c) => [c, row[c] ?? null])))
}

/** The key, and what the groups read, in the order of the source. */
function rememberedColumns(source: CapturedTable, groups: readonly GroupPlan[]): readonly string[] {
  const sources = groups.flatMap((g) => [...Object.values(g.by), ...Object.values(g.sums), ...(g.filter ? [g.filter] : [])])
  const read = new Set([...source.key, ...sources.flatMap(columnsOf)])
  return source.columnNames.filter((c) => read.has(c))
}

function statementsOf(
  source: CapturedTable,
  memory: string,
  columns: readonly string[],
  groups: readonly GroupPlan[],
): GroupStatements {
  const remembered = quoteQualified('public', memory)
  return {
    move: moveStatement(source, remembered, columns, groups),
    empty: groups.map(emptyStatement),
    changeKey: `UPDATE ${remembered} AS m SET ${source.key.map((c) => `${quoteIdentifier(c)} = ${fromJson(source, '$2', c)}`).join(', ')}
      WHERE ${keyMatch(source)}`,
    truncate: [remembered, ...groups.map((g) => quoteQualified(g.schema, g.into))].map((table) => `DELETE FROM ${table}`),
  }
}

function moveStatement(
  source: CapturedTable,
  remembered: string,
  columns: readonly string[],
  groups: readonly GroupPlan[],
): string {
  const names = columns.map(quoteIdentifier).join(', ')
  const present = columns.map(
    (c) =>
      `CASE WHEN $2::jsonb ? ${quoteLiteral(c)} THEN ${fromJson(source, '$2', c)} ELSE former.${quoteIdentifier(c)} END AS ${quoteIdentifier(c)}`,
  )
  const set = columns.filter((c) => !source.key.includes(c)).map((c) => `${quoteIdentifier(c)} = excluded.${quoteIdentifier(c)}`)
  return `WITH former AS MATERIALIZED (SELECT ${names} FROM ${remembered} AS m WHERE ${keyMatch(source)}),
    present AS MATERIALIZED (
      SELECT ${present.join(', ')} FROM (SELECT) AS one LEFT JOIN former ON true WHERE $2::jsonb IS NOT NULL),
    kept AS (
      INSERT INTO ${remembered} (${names}) SELECT ${names} FROM present
      ON CONFLICT (${source.key.map(quoteIdentifier).join(', ')}) DO ${set.length === 0 ? 'NOTHING' : `UPDATE SET ${set.join(', ')}`}),
    gone AS (DELETE FROM ${remembered} AS m WHERE ${keyMatch(source)} AND $2::jsonb IS NULL),
    ${groups.map((g, i) => `g${i} AS (${groupMove(g)})`).join(',\n')}
    SELECT EXISTS (SELECT FROM former) AS "isKnown",
      ARRAY[${groups.map((_, i) => `(SELECT jsonb_agg(emptied)::text FROM g${i} WHERE remaining = 0)`).join(', ')}]::text[] AS emptied`
}

/** Takes the former row out of its group and puts the present one into its own; nothing is written where that is no change. */
function groupMove(group: GroupPlan): string {
  const by = Object.entries(group.by)
  const sums = Object.entries(group.sums)
  const table = quoteQualified(group.schema, group.into)
  const side = (rows: string, sign: string): string => {
    const render = (column: string): string => `r.${quoteIdentifier(column)}`
    const values = [
      ...by.map(([name, from]) => `(${renderSql(from, render)}) AS ${quoteIdentifier(name)}`),
      `${sign}1 AS ${quoteIdentifier(group.count)}`,
      ...sums.map(([name, from]) => `${sign}coalesce(${renderSql(from, render)}, 0) AS ${quoteIdentifier(name)}`),
    ]
    const filter = group.filter ? ` WHERE (${renderSql(group.filter, render)})` : ''
    return `SELECT ${values.join(', ')} FROM ${rows} AS r${filter}`
  }
  const keys = by.map(([name]) => quoteIdentifier(name))
  const numbers = [group.count, ...sums.map(([name]) => name)].map(quoteIdentifier)
  return `INSERT INTO ${table} AS g (${[...keys, ...numbers].join(', ')})
      SELECT ${[...keys, ...numbers.map((n) => `sum(${n})`)].join(', ')}
      FROM (${side('former', '-')} UNION ALL ${side('present', '')}) AS sides
      GROUP BY ${keys.join(', ')} HAVING ${numbers.map((n) => `sum(${n}) <> 0`).join(' OR ')}
      ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${numbers.map((n) => `${n} = g.${n} + excluded.${n}`).join(', ')}
      RETURNING g.${quoteIdentifier(group.count)} AS remaining,
        jsonb_build_object(${by.map(([name]) => `${quoteLiteral(name)}, g.${quoteIdentifier(name)}`).join(', ')}) AS emptied`
}

function emptyStatement(group: GroupPlan): string {
  const table = quoteQualified(group.schema, group.into)
  const match = Object.keys(group.by).map((name) => `g.${quoteIdentifier(name)} = k.${quoteIdentifier(name)}`)
  return `DELETE FROM ${table} AS g USING jsonb_populate_recordset(NULL::${table}, $1::jsonb) AS k
    WHERE ${match.join(' AND ')} AND g.${quoteIdentifier(group.count)} = 0`
}

function memoryExpectation(source: CapturedTable, memory: string, columns: readonly string[]): Expectation {
  // What the monolith has of a private column is not what was captured.
  const compared = columns.filter((c) => source.privacy[c] === undefined)
  const values = compared.map((c) => (source.columns[c]!.isSourceOnly ? `${quoteIdentifier(c)}::text` : quoteIdentifier(c)))
  return {
    targetSchema: 'public',
    target: memory,
    key: source.key,
    columns: compared,
    query: `SELECT ${values.join(', ')} FROM ${quoteQualified(source.schema, source.name)}`,
  }
}

function groupExpectation(group: GroupPlan): Expectation {
  const key = Object.keys(group.by)
  return {
    targetSchema: group.schema,
    target: group.into,
    key,
    columns: [...key, group.count, ...Object.keys(group.sums)],
    query: group.expectation,
  }
}

function keyMatch(source: CapturedTable): string {
  return source.key.map((c) => `m.${quoteIdentifier(c)} = ${fromJson(source, '$1', c)}`).join(' AND ')
}

/** A column of a row that came as JSON of PostgreSQL's texts. */
function fromJson(source: CapturedTable, parameter: string, column: string): string {
  const type = source.columns[column]
  if (type === undefined) throw new RangeError(`${qualifiedName(source)} has no captured column "${column}"`)
  return `(${parameter}::jsonb ->> ${quoteLiteral(column)})::${type.isSourceOnly ? 'text' : type.sqlType}`
}

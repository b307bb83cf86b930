/**
 * Reads a chunk of a backfill: rows in key order, or of some keys, with what its query sees.
 *
 * A chunk is a number of keys, of which the filter takes some: so each costs the source about the same, however rare the rows
 * are. The filter's SQL stands in a query of its own around the range, and cannot widen it.
 */
import { type EpochMicros, epochMicros } from '@sluice/core'
import { quoteIdentifier, quoteQualified } from '@sluice/postgres'
import type { BackfillScope } from '@sluice/store'
import type { CapturedTable } from '@sluice/system'
import { type ChunkLimits, type ChunkSource, TEXT_TYPES, type TextRow, readPieces, readUnchanged } from '../load/chunk-reader.ts'
import { type KeyColumns, keyArrays, keyOrder, keyParameters, keyRow, unnestKeys, unnestedKeyRow } from '../source/key-columns.ts'
import { VisibleTransactions } from './visible-transactions.ts'

/** What of a table is read. */
export interface TableScope extends BackfillScope {
  readonly table: CapturedTable
  readonly columns: KeyColumns
}

export interface ScopeChunk {
  readonly rows: readonly TextRow[]
  readonly visible: VisibleTransactions
  readonly readAt: EpochMicros
}

export interface RangeChunk extends ScopeChunk {
  /** Last key that was passed; null if there was none. */
  readonly to: readonly string[] | null
  /** Keys that were passed. */
  readonly rowsRead: number
  readonly isLast: boolean
}

/** Reads the next keys. @throws SnapshotStale, SluiceError @param after Last key that was passed. */
export async function readRange(
  source: ChunkSource,
  scope: TableScope,
  after: readonly string[] | null,
  limits: ChunkLimits,
): Promise<RangeChunk> {
  const { columns } = scope
  return readSeen(source, scope.table, async () => {
    const bound = await nthKey(source, scope, after, limits.chunkRowsMax)
    const range = rangeOf(columns, { ...scope, to: bound ?? scope.to }, after)
    const text = `${selectScope(scope, range.condition)} ORDER BY ${keyOrder(columns)}`
    const { rows, bytes } = await readPieces(source.client, { text, values: range.values }, limits)
    const lastRow = rows.at(-1)
    const lastKey = lastRow ? keyOf(scope.table, lastRow) : null
    const isCut = bytes >= limits.chunkBytesMax
    return {
      rows,
      to: isCut || bound === null ? lastKey : bound,
      rowsRead: isCut || bound === null ? rows.length : limits.chunkRowsMax,
      isLast: bound === null && !isCut,
    }
  })
}

/** Reads some keys, in no order; those without a row, or outside of the scope, are left out. @throws SnapshotStale, SluiceError */
export async function readScopeKeys(
  source: ChunkSource,
  scope: TableScope,
  keys: readonly (readonly string[])[],
): Promise<ScopeChunk> {
  const { columns } = scope
  const range = rangeOf(columns, scope, null, columns.length)
  const wanted = `${keyRow(columns)} IN (SELECT ${unnestedKeyRow(columns).slice(1, -1)} FROM ${unnestKeys(columns, 1)})`
  return readSeen(source, scope.table, async () => {
    const { rows } = await source.client.query<(string | null)[]>({
      text: selectScope(scope, `${wanted} AND ${range.condition}`),
      values: [...keyArrays(columns, keys), ...range.values],
      rowMode: 'array',
      types: TEXT_TYPES,
    })
    return { rows }
  })
}

/** A condition over the key, and its parameters. */
export interface KeyRange {
  readonly condition: string
  readonly values: readonly string[]
}

/** @param parametersBefore How many parameters the query has before it. */
export function rangeOf(
  columns: KeyColumns,
  { from, to }: Pick<BackfillScope, 'from' | 'to'>,
  after: readonly string[] | null,
  parametersBefore = 0,
): KeyRange {
  const conditions: string[] = []
  const values: string[] = []
  const add = (comparison: string, key: readonly string[] | null): void => {
    if (key === null) return
    conditions.push(`${keyRow(columns)} ${comparison} ${keyParameters(columns, parametersBefore + values.length + 1)}`)
    values.push(...key)
  }
  add('>', after)
  add('>=', after === null ? from : null)
  add('<=', to)
  return { condition: conditions.length === 0 ? 'true' : conditions.join(' AND '), values }
}

/** The last of the next `count` keys; null if fewer are left. */
async function nthKey(
  source: ChunkSource,
  scope: TableScope,
  after: readonly string[] | null,
  count: number,
): Promise<readonly string[] | null> {
  const { table, columns } = scope
  const { condition, values } = rangeOf(columns, scope, after)
  const order = keyOrder(columns)
  const { rows } = await source.client.query<string[]>({
    text: `SELECT ${order} FROM ${tableName(table)} WHERE ${condition} ORDER BY ${order} OFFSET ${count - 1} LIMIT 1`,
    values: [...values],
    rowMode: 'array',
    types: TEXT_TYPES,
  })
  return rows[0] ?? null
}

/** OFFSET 0 keeps the two queries apart: the filter meets only rows of the range. */
function selectScope({ table, filter }: TableScope, condition: string): string {
  const names = table.columnNames.map((name) => quoteIdentifier(name)).join(', ')
  const range = `SELECT * FROM ${tableName(table)} WHERE ${condition} OFFSET 0`
  return `SELECT ${names} FROM (${range}) AS ${quoteIdentifier(table.name)}${filter === null ? '' : ` WHERE (\n${filter}\n)`}`
}

export function tableName(table: CapturedTable): string {
  return quoteQualified(table.schema, table.name)
}

function keyOf(table: CapturedTable, row: TextRow): readonly string[] {
  return table.key.map((name) => row[table.columnNames.indexOf(name)]!)
}

/** Every query of `read` sees what the first one tells. */
async function readSeen<T extends object>(
  source: ChunkSource,
  table: CapturedTable,
  read: () => Promise<T>,
): Promise<T & Pick<ScopeChunk, 'visible' | 'readAt'>> {
  const { client } = source
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    const { rows } = await client.query<{ visible: string; micros: string }>(
      `SELECT pg_current_snapshot()::text AS visible, (extract(epoch FROM clock_timestamp()) * 1000000)::int8::text AS micros`,
    )
    const result = await readUnchanged(source, table, read)
    const { visible, micros } = rows[0]!
    return { ...result, visible: new VisibleTransactions(visible), readAt: epochMicros(BigInt(micros)) }
  } finally {
    // A connection that broke has no transaction any more; the error of the read says so.
    await client.query('ROLLBACK').catch(() => undefined)
  }
}

/**
 * Reads a chunk of a table, as PostgreSQL's text: rows in key order, or of some keys. Initial loads and backfills read so, each in
 * a transaction of its own kind.
 *
 * A chunk is a number of keys, of which a filter takes some: so each costs the source about the same, however rare the rows
 * are. The filter's SQL stands in a query of its own around the range, and cannot widen it.
 *
 * Memory: rows come through a cursor in pieces that are sized by the rows met so far, and a chunk ends with the row that
 * reaches its bytes.
 */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import type { BackfillScope } from '@sluice/store'
import type { CapturedTable } from '@sluice/system'
import type pg from 'pg'
import { type KeyColumns, keyArrays, keyOrder, keyParameters, keyRow, unnestKeys, unnestedKeyRow } from '../source/key-columns.ts'

/** Column texts in the order of the definition. */
export type TextRow = readonly (string | null)[]

/** What of a table is read. */
export interface TableScope extends BackfillScope {
  readonly table: CapturedTable
  readonly columns: KeyColumns
  /** The publication's own filter: what it leaves out is not in the stream, and must not be read beside it. */
  readonly rowFilter: string | null
}

export function wholeTable(table: CapturedTable, columns: KeyColumns, rowFilter: string | null): TableScope {
  return { table, columns, rowFilter, from: null, to: null, filter: null }
}

export interface RangeChunk {
  readonly rows: readonly TextRow[]
  /** At least what the rows take in memory. */
  readonly bytes: number
  /** Last key that was passed; null if there was none. */
  readonly to: readonly string[] | null
  /** Keys that were passed. */
  readonly rowsRead: number
  /** True if the bytes ended it, before the key that was told to `onBound`. */
  readonly isCut: boolean
  /** False if the scope goes on. */
  readonly isLast: boolean
}

export interface ChunkLimits {
  readonly chunkRowsMax: number
  readonly chunkBytesMax: number
}

/** Rows of the first piece, before the size of a row is known. */
const FIRST_PIECE_ROWS = 16
const PIECE_ROWS_MAX = 2_000
const PIECE_BYTES = 1024 * 1024

/** Every value as the text that PostgreSQL sends. */
const TEXT_TYPES: pg.CustomTypesConfig = { getTypeParser: () => (value: string | Buffer) => String(value) }

/** What is read from: a session inside of a transaction, and the server's name for messages. */
export interface ChunkSource {
  readonly client: pg.Client
  readonly target: PostgresTarget
}

/** Thrown when a table was truncated or rewritten after the snapshot: what the snapshot sees of it is not what it was. */
export class SnapshotStale extends Error {
  override readonly name = 'SnapshotStale'
}

/**
 * Reads the next keys.
 *
 * @param after Last key that was passed; null: none yet.
 * @param onBound Called before the rows are read, with the key that a later chunk goes on after; null if none is left.
 * @throws SnapshotStale, SluiceError
 */
export async function readRange(
  source: ChunkSource,
  scope: TableScope,
  after: readonly string[] | null,
  limits: ChunkLimits,
  onBound: (bound: readonly string[] | null) => void = () => undefined,
): Promise<RangeChunk> {
  const { table, columns, filter } = scope
  return readUnchanged(source, table, async () => {
    const bound = await nthKey(source.client, scope, after, limits.chunkRowsMax)
    onBound(bound)
    const range = rangeOf(columns, { ...scope, to: bound ?? scope.to }, after)
    // The range has no more rows than that. The limit says so to the planner, which knows the table from its last ANALYZE only.
    const limit = filter === null ? ` LIMIT ${limits.chunkRowsMax}` : ''
    const text = `${selectScope(scope, range.condition)} ORDER BY ${keyOrder(columns)}${limit}`
    const { rows, bytes, isCut } = await readPieces(source.client, { text, values: range.values }, limits.chunkBytesMax)
    const lastRow = rows.at(-1)
    const lastKey = lastRow ? keyOf(table, lastRow) : null
    return {
      rows,
      bytes,
      to: isCut || bound === null ? lastKey : bound,
      rowsRead: isCut || bound === null ? rows.length : limits.chunkRowsMax,
      isCut,
      isLast: bound === null && !isCut,
    }
  })
}

/** Reads some keys, in no order; those without a row, or outside of the scope, are left out. @throws SnapshotStale, SluiceError */
export async function readKeys(
  source: ChunkSource,
  scope: TableScope,
  keys: readonly (readonly string[])[],
): Promise<readonly TextRow[]> {
  const { columns } = scope
  const range = rangeOf(columns, scope, null, columns.length)
  const wanted = `${keyRow(columns)} IN (SELECT ${unnestedKeyRow(columns).slice(1, -1)} FROM ${unnestKeys(columns, 1)})`
  return readUnchanged(source, scope.table, async () => {
    const { rows } = await source.client.query<(string | null)[]>({
      text: selectScope(scope, `${wanted} AND ${range.condition}`),
      values: [...keyArrays(columns, keys), ...range.values],
      rowMode: 'array',
      types: TEXT_TYPES,
    })
    return rows
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

/** The rows that the publication sends, to stand in a FROM. Of their columns those that are captured, since the role may read no others, or all for a filter. */
export function publishedRows({ table, rowFilter, filter }: Pick<TableScope, 'table' | 'rowFilter' | 'filter'>): string {
  if (rowFilter === null) return tableName(table)
  const columns = filter === null ? columnList(table) : '*'
  return `(SELECT ${columns} FROM ${tableName(table)} WHERE (\n${rowFilter}\n)) AS ${quoteIdentifier(table.name)}`
}

export function tableName(table: CapturedTable): string {
  return quoteQualified(table.schema, table.name)
}

/** The last of the next `count` keys; null if fewer are left. */
async function nthKey(
  client: pg.Client,
  scope: TableScope,
  after: readonly string[] | null,
  count: number,
): Promise<readonly string[] | null> {
  const { columns } = scope
  const { condition, values } = rangeOf(columns, scope, after)
  const order = keyOrder(columns)
  const { rows } = await client.query<string[]>({
    text: `SELECT ${order} FROM ${publishedRows(scope)} WHERE ${condition} ORDER BY ${order} OFFSET ${count - 1} LIMIT 1`,
    values: [...values],
    rowMode: 'array',
    types: TEXT_TYPES,
  })
  return rows[0] ?? null
}

/** OFFSET 0 keeps the two queries apart: the filter meets only rows of the range. */
function selectScope(scope: TableScope, condition: string): string {
  const { table, filter } = scope
  const names = columnList(table)
  if (filter === null) return `SELECT ${names} FROM ${publishedRows(scope)} WHERE ${condition}`
  const range = `SELECT * FROM ${publishedRows(scope)} WHERE ${condition} OFFSET 0`
  return `SELECT ${names} FROM (${range}) AS ${quoteIdentifier(table.name)} WHERE (\n${filter}\n)`
}

function columnList(table: CapturedTable): string {
  return table.columnNames.map((name) => quoteIdentifier(name)).join(', ')
}

function keyOf(table: CapturedTable, row: TextRow): readonly string[] {
  return table.key.map((name) => row[table.columnNames.indexOf(name)]!)
}

/**
 * Reads in a savepoint that is rolled back, which gives the table's lock back: else the load would hold up every TRUNCATE and
 * ALTER TABLE, and all that queues behind them, to its end. So either may come between two chunks, and neither is seen by
 * snapshots as other changes are: the table's file tells.
 *
 * https://www.postgresql.org/docs/17/mvcc-caveats.html
 */
async function readUnchanged<T>(source: ChunkSource, table: CapturedTable, read: () => Promise<T>): Promise<T> {
  const { client, target } = source
  try {
    await client.query('SAVEPOINT chunk')
    const result = await read()
    // The lock is held now, so that no TRUNCATE can come between this answer and the rows.
    if (await isRewritten(client, table)) throw new SnapshotStale()
    await client.query('ROLLBACK TO SAVEPOINT chunk; RELEASE SAVEPOINT chunk')
    return result
  } catch (error) {
    if (error instanceof SnapshotStale) throw error
    throw toPostgresError(error, target)
  }
}

/** Compares the file of the table, and of each partition, that the snapshot knows with the one it has now. */
async function isRewritten(client: pg.Client, table: CapturedTable): Promise<boolean> {
  const { rows } = await client.query<{ rewritten: boolean }>(
    `SELECT EXISTS (
       SELECT FROM pg_catalog.pg_class c
       WHERE c.oid IN (SELECT $1::regclass UNION SELECT relid FROM pg_partition_tree($1::regclass))
         AND c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
     ) AS rewritten`,
    [tableName(table)],
  )
  return rows[0]!.rewritten
}

interface ReadRows {
  readonly rows: readonly TextRow[]
  readonly bytes: number
  readonly isCut: boolean
}

/**
 * Runs a query in pieces; the row that reaches the bytes ends it. The cursor is one of SQL, whose every step is a query that is
 * answered or fails when the connection breaks. It ends with the savepoint, or the transaction.
 *
 * https://www.postgresql.org/docs/17/sql-declare.html
 */
async function readPieces(
  client: pg.Client,
  { text, values }: { readonly text: string; readonly values: readonly string[] },
  bytesMax: number,
): Promise<ReadRows> {
  await client.query(`DECLARE chunk_rows NO SCROLL CURSOR FOR ${text}`, [...values])
  const rows: TextRow[] = []
  let bytes = 0
  for (let piece = FIRST_PIECE_ROWS; ; piece = nextPiece(rows.length, bytes)) {
    const read = await client.query<(string | null)[]>({
      text: `FETCH ${piece} FROM chunk_rows`,
      rowMode: 'array',
      types: TEXT_TYPES,
    })
    for (const row of read.rows) {
      rows.push(row)
      bytes += bytesOf(row)
    }
    if (read.rows.length < piece) return { rows, bytes, isCut: false }
    if (bytes >= bytesMax) return { rows, bytes, isCut: true }
  }
}

function nextPiece(rows: number, bytes: number): number {
  const average = Math.max(1, bytes / Math.max(1, rows))
  return Math.max(1, Math.min(PIECE_ROWS_MAX, Math.floor(PIECE_BYTES / average)))
}

/** At least what the texts take in memory, and what an array of them does. */
function bytesOf(row: TextRow): number {
  let bytes = 64
  for (const value of row) bytes += value === null ? 8 : value.length + 24
  return bytes
}

/**
 * Reads a table under a snapshot, in key order, a chunk at a time, as PostgreSQL's text.
 *
 * Memory: rows come through a cursor in pieces that are sized by the rows met so far, and a chunk ends with the row that
 * reaches its bytes.
 */
import { type PostgresTarget, quoteIdentifier, quoteQualified, toPostgresError } from '@sluice/postgres'
import type { CapturedTable } from '@sluice/system'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { type KeyColumns, keyArrays, keyOrder, keyParameters, keyRow, unnestKeys, unnestedKeyRow } from '../source/key-columns.ts'

/** Column texts in the order of the definition. */
export type TextRow = readonly (string | null)[]

export interface TableChunk {
  readonly rows: readonly TextRow[]
  readonly bytes: number
  /** False if the table goes on. */
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
export const TEXT_TYPES: pg.CustomTypesConfig = { getTypeParser: () => (value: string | Buffer) => String(value) }

/** What is read from: the snapshot's session, and the server's name for messages. */
export interface ChunkSource {
  readonly client: pg.Client
  readonly target: PostgresTarget
}

/** Thrown when a table was truncated or rewritten after the snapshot: what the snapshot sees of it is not what it was. */
export class SnapshotStale extends Error {
  override readonly name = 'SnapshotStale'
}

/**
 * Reads the next rows of a table.
 *
 * @param after Key of the last row that was stored; null for the first chunk.
 * @throws SnapshotStale
 */
export async function readChunk(
  source: ChunkSource,
  table: CapturedTable,
  columns: KeyColumns,
  after: readonly string[] | null,
  limits: ChunkLimits,
): Promise<TableChunk> {
  return readUnchanged(source, table, () => readRows(source.client, table, columns, after, limits))
}

/** The rows of some keys, in no order; keys without a row are left out. @throws SnapshotStale */
export async function readKeys(
  source: ChunkSource,
  table: CapturedTable,
  columns: KeyColumns,
  keys: readonly (readonly string[])[],
): Promise<readonly TextRow[]> {
  const wanted = unnestedKeyRow(columns).slice(1, -1)
  return readUnchanged(source, table, async () => {
    const { rows } = await source.client.query<(string | null)[]>({
      text: `${selectFrom(table)} WHERE ${keyRow(columns)} IN (SELECT ${wanted} FROM ${unnestKeys(columns, 1)})`,
      values: [...keyArrays(columns, keys)],
      rowMode: 'array',
      types: TEXT_TYPES,
    })
    return rows
  })
}

/**
 * Reads in a savepoint that is rolled back, which gives the table's lock back: else the load would hold up every TRUNCATE and
 * ALTER TABLE, and all that queues behind them, to its end. So either may come between two chunks, and neither is seen by
 * snapshots as other changes are: the table's file tells.
 *
 * https://www.postgresql.org/docs/17/mvcc-caveats.html
 */
export async function readUnchanged<T>(source: ChunkSource, table: CapturedTable, read: () => Promise<T>): Promise<T> {
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
    [quoteQualified(table.schema, table.name)],
  )
  return rows[0]!.rewritten
}

async function readRows(
  client: pg.Client,
  table: CapturedTable,
  columns: KeyColumns,
  after: readonly string[] | null,
  limits: ChunkLimits,
): Promise<TableChunk> {
  const where = after === null ? '' : `WHERE ${keyRow(columns)} > ${keyParameters(columns, 1)}`
  const text = `${selectFrom(table)} ${where} ORDER BY ${keyOrder(columns)} LIMIT ${limits.chunkRowsMax}`
  return readPieces(client, { text, values: after ?? [] }, limits)
}

/** Runs a query in pieces; the row that reaches the chunk's bytes ends it. `isLast`: fewer rows came than a chunk may have. */
export async function readPieces(
  client: pg.Client,
  { text, values }: { readonly text: string; readonly values: readonly unknown[] },
  limits: ChunkLimits,
): Promise<TableChunk> {
  const cursor = client.query(new Cursor<(string | null)[]>(text, [...values], { rowMode: 'array', types: TEXT_TYPES }))
  try {
    const rows: TextRow[] = []
    let bytes = 0
    for (let piece = FIRST_PIECE_ROWS; ; piece = nextPiece(rows.length, bytes)) {
      const read = await cursor.read(piece)
      for (const row of read) {
        rows.push(row)
        bytes += bytesOf(row)
      }
      if (read.length < piece) return { rows, bytes, isLast: rows.length < limits.chunkRowsMax }
      if (bytes >= limits.chunkBytesMax) return { rows, bytes, isLast: false }
    }
  } finally {
    await cursor.close()
  }
}

function selectFrom(table: CapturedTable): string {
  const names = table.columnNames.map((name) => quoteIdentifier(name)).join(', ')
  return `SELECT ${names} FROM ${quoteQualified(table.schema, table.name)}`
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

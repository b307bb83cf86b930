/**
 * One side of a comparison as SQL: a query whose columns are texts, `c0`, `c1`, … in the order of the compared columns.
 * The expected side runs in the monolith, the actual one in the service; what is built here is the same for both.
 */
import type { RowDigest } from './row-digest.ts'

/** Two sides with one list of columns. */
export interface ComparedTable {
  readonly columns: readonly string[]
  /** Places of the key's columns in `columns`. */
  readonly key: readonly number[]
  readonly expected: string
  readonly actual: string
}

/** Key text and row text. OFFSET 0 keeps the planner from pulling the texts up and computing them once a digest. */
function keyedRows(table: ComparedTable, side: string): string {
  const all = table.columns.map((_name, i) => `c${i}`)
  const key = table.key.map((i) => `c${i}`)
  return `SELECT ROW(${key.join(', ')})::text AS k, ROW(${all.join(', ')})::text AS r FROM (${side}) AS side OFFSET 0`
}

/** `bucket, rows, one, two`: count and sums of digests of each bucket that has rows. */
export function bucketsQuery(table: ComparedTable, side: string, digest: RowDigest): string {
  const [one, two] = digest.digests('r')
  return `SELECT ${digest.bucket('k')} AS bucket, count(*)::text AS rows, sum(${one})::text AS one, sum(${two})::text AS two
    FROM (${keyedRows(table, side)}) AS keyed GROUP BY 1`
}

/** `k, d`: key and digest of the rows of some buckets, in the order of the keys' bytes, and of digests within a key. */
export function digestsQuery(table: ComparedTable, side: string, digest: RowDigest, buckets: readonly number[]): string {
  const [one, two] = digest.digests('r')
  return `SELECT k, d FROM (SELECT k, ${one}::text || ':' || ${two}::text AS d
    FROM (${keyedRows(table, side)}) AS keyed WHERE ${digest.bucket('k')} = ANY ('{${buckets.join(',')}}'::integer[])) AS digested
    ORDER BY ${digest.order('k')}, d COLLATE "C"`
}

/** `k, c0, c1, …` of every row, in the order of the keys' bytes. */
export function orderedRowsQuery(table: ComparedTable, side: string, digest: RowDigest): string {
  const key = table.key.map((i) => `c${i}`)
  return `SELECT k, ${table.columns.map((_name, i) => `c${i}`).join(', ')}
    FROM (SELECT ROW(${key.join(', ')})::text AS k, side.* FROM (${side}) AS side OFFSET 0) AS keyed ORDER BY ${digest.order('k')}`
}

/** `k, c0, c1, …` of the rows whose key text is in `$1::text[]`. */
export function rowsQuery(table: ComparedTable, side: string): string {
  const key = table.key.map((i) => `c${i}`)
  return `SELECT k, ${table.columns.map((_name, i) => `c${i}`).join(', ')}
    FROM (SELECT ROW(${key.join(', ')})::text AS k, side.* FROM (${side}) AS side OFFSET 0) AS keyed WHERE k = ANY ($1::text[])`
}

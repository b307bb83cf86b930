/**
 * Compares one table whole, both ways. First in SQL: count and digest sums of 1,024 buckets on each server. Only the
 * buckets that differ are read row by row, key and digest only, in key order through a cursor, so memory is bounded by
 * `fetchRows` whatever the tables' size. A few rows are then read by key to name the columns that differ.
 */
import { type DigestedRow, type DifferenceCounts, mergeRows } from './merge-rows.ts'
import { BUCKETS, type RowDigest } from './row-digest.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import { type ComparedTable, bucketsQuery, digestsQuery, rowsQuery } from './table-side.ts'
import type { DifferenceExample, DifferenceKind } from './verify-report.ts'

export interface CompareLimits {
  /** Examples of each kind of difference. */
  readonly examples: number
  /** Rows of key and digest that are held of each side. */
  readonly fetchRows: number
}

export interface Comparison {
  readonly sourceRows: number
  readonly targetRows: number
  readonly counts: DifferenceCounts
  readonly examples: readonly DifferenceExample[]
}

interface Bucket {
  readonly rows: number
  readonly sums: string
}

/** @throws SluiceError from either session */
export async function compareTable(
  source: SnapshotSession,
  target: SnapshotSession,
  table: ComparedTable,
  digest: RowDigest,
  limits: CompareLimits,
): Promise<Comparison> {
  const [expected, actual] = await bothSides(
    readBuckets(source, bucketsQuery(table, table.expected, digest)),
    readBuckets(target, bucketsQuery(table, table.actual, digest)),
  )
  const differing = differingBuckets(expected, actual)
  const found = differing.length === 0 ? NOTHING_FOUND : await findRows(source, target, table, digest, limits, differing)
  return { sourceRows: rowsIn(expected), targetRows: rowsIn(actual), ...found }
}

const NOTHING_FOUND: Pick<Comparison, 'counts' | 'examples'> = { counts: { missing: 0, extra: 0, different: 0 }, examples: [] }

async function readBuckets(session: SnapshotSession, query: string): Promise<ReadonlyMap<number, Bucket>> {
  const rows = await session.query<{ bucket: number; rows: string; one: string; two: string }>(query)
  return new Map(rows.map((row) => [row.bucket, { rows: Number(row.rows), sums: `${row.one}:${row.two}` }]))
}

function differingBuckets(expected: ReadonlyMap<number, Bucket>, actual: ReadonlyMap<number, Bucket>): number[] {
  return Array.from({ length: BUCKETS }, (_, bucket) => bucket).filter((bucket) => {
    const [one, other] = [expected.get(bucket), actual.get(bucket)]
    return one?.rows !== other?.rows || one?.sums !== other?.sums
  })
}

function rowsIn(buckets: ReadonlyMap<number, Bucket>): number {
  return [...buckets.values()].reduce((sum, bucket) => sum + bucket.rows, 0)
}

async function findRows(
  source: SnapshotSession,
  target: SnapshotSession,
  table: ComparedTable,
  digest: RowDigest,
  limits: CompareLimits,
  buckets: readonly number[],
): Promise<Pick<Comparison, 'counts' | 'examples'>> {
  const kept: Record<DifferenceKind, string[]> = { missing: [], extra: [], different: [] }
  const expected = digestedRows(source, digestsQuery(table, table.expected, digest, buckets), limits.fetchRows)
  const actual = digestedRows(target, digestsQuery(table, table.actual, digest, buckets), limits.fetchRows)
  const counts = await mergeRows(expected, actual, (kind, key) => {
    if (kept[kind].length < limits.examples) kept[kind].push(key)
  })
  return { counts, examples: await describeExamples(source, target, table, kept) }
}

async function* digestedRows(session: SnapshotSession, query: string, fetchRows: number): AsyncGenerator<DigestedRow, undefined> {
  for await (const rows of session.stream<{ k: string; d: string }>(query, fetchRows)) {
    for (const row of rows) yield { key: row.k, digest: row.d }
  }
}

type TextRow = Readonly<Record<string, string | null>>

async function describeExamples(
  source: SnapshotSession,
  target: SnapshotSession,
  table: ComparedTable,
  kept: Readonly<Record<DifferenceKind, readonly string[]>>,
): Promise<readonly DifferenceExample[]> {
  const [expected, actual] = await bothSides(
    rowsByKey(source, rowsQuery(table, table.expected), [...kept.missing, ...kept.different]),
    rowsByKey(target, rowsQuery(table, table.actual), [...kept.extra, ...kept.different]),
  )
  const keyOf = (row: TextRow | undefined): (string | null)[] => table.key.map((i) => row?.[`c${i}`] ?? null)
  const example = (kind: DifferenceKind, key: string): DifferenceExample => {
    const [one, other] = [expected.get(key), actual.get(key)]
    const columns = kind === 'different' ? table.columns.filter((_name, i) => one?.[`c${i}`] !== other?.[`c${i}`]) : []
    return { kind, key: keyOf(one ?? other), columns }
  }
  return (['missing', 'extra', 'different'] as const).flatMap((kind) => kept[kind].map((key) => example(kind, key)))
}

async function rowsByKey(
  session: SnapshotSession,
  query: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, TextRow>> {
  if (keys.length === 0) return new Map()
  const rows = await session.query<TextRow & { k: string }>(query, [keys])
  return new Map(rows.map((row) => [row.k, row]))
}

/**
 * Both results, or the first rejection once both have ended: a session must be idle before it is used again. A fault of
 * the service's side is told first only if the expected side is well.
 */
async function bothSides<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<[One, Other]> {
  const [first, second] = await Promise.allSettled([one, other])
  if (first.status === 'rejected') throw asError(first.reason)
  if (second.status === 'rejected') throw asError(second.reason)
  return [first.value, second.value]
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

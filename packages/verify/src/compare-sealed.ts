/**
 * Compares columns that a service holds encrypted: both sides in key order, the service's values opened with the keys of their
 * subjects, a set at a time. Keys that stand on one side only were counted by the comparison of the other columns.
 */
import type { SealedReader } from '@sluice/privacy'
import type { CompareLimits } from './compare-table.ts'
import type { SealedColumn } from './expected-table.ts'
import { compareUtf8 } from './merge-rows.ts'
import type { RowDigest } from './row-digest.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import { type ComparedTable, orderedRowsQuery } from './table-side.ts'
import type { DifferenceExample } from './verify-report.ts'

/** The key's columns, and then the encrypted ones. */
export interface SealedTable {
  readonly table: ComparedTable
  readonly sealed: readonly SealedColumn[]
}

export interface SealedComparison {
  /** Rows of one key on both sides, which are those that were compared. */
  readonly pairs: number
  readonly different: number
  /** Rows with a value of an erased subject. */
  readonly erasedRows: number
  readonly examples: readonly DifferenceExample[]
}

export interface SealedTools {
  readonly reader: Pick<SealedReader, 'read'>
  readonly digest: RowDigest
  readonly limits: CompareLimits
}

type Row = Readonly<Record<string, string | null>> & { readonly k: string }

/** Rows whose values are opened at a time. */
const OPENED_ROWS = 1_000

/** Reads both sides once, whatever their size: a thousand rows of each are held. */
export async function compareSealed(
  source: SnapshotSession,
  target: SnapshotSession,
  { table, sealed }: SealedTable,
  { reader, digest, limits }: SealedTools,
): Promise<SealedComparison> {
  const result = { pairs: 0, different: 0, erasedRows: 0, examples: [] as DifferenceExample[] }
  const expected = source.stream<Row>(orderedRowsQuery(table, table.expected, digest), limits.fetchRows)
  const actual = target.stream<Row>(orderedRowsQuery(table, table.actual, digest), limits.fetchRows)
  const places = sealed.map((s, i) => ({ ...s, name: `c${table.key.length + i}` }))
  for await (const pairs of matched(rowsOf(expected), rowsOf(actual))) {
    result.pairs += pairs.length
    const texts = pairs.flatMap(([, row]) =>
      places.flatMap(({ name, place }) => (typeof row[name] === 'string' ? [{ text: row[name], place }] : [])),
    )
    const contents = (await reader.read(texts)).values()
    for (const [one, other] of pairs) {
      const opened = places.map(({ name, column }) => {
        if (other[name] === null) return { column, isErased: false, isEqual: one[name] === null }
        const content = contents.next().value!
        const isErased = content.kind === 'erased'
        return {
          column,
          isErased,
          isEqual: isErased ? one[name] !== null : content.kind === 'clear' && content.text === one[name],
        }
      })
      if (opened.some((value) => value.isErased)) result.erasedRows += 1
      const columns = opened.flatMap(({ column, isEqual }) => (isEqual ? [] : [column]))
      if (columns.length === 0) continue
      result.different += 1
      if (result.examples.length >= limits.examples) continue
      result.examples.push({ kind: 'different', key: table.key.map((_, i) => one[`c${i}`] ?? null), columns })
    }
  }
  return result
}

async function* rowsOf(pages: AsyncIterable<readonly Row[]>): AsyncGenerator<Row, undefined> {
  for await (const page of pages) yield* page
}

/** Rows of one key on both sides, at most `OPENED_ROWS` at a time. */
async function* matched(
  expected: AsyncGenerator<Row, undefined>,
  actual: AsyncGenerator<Row, undefined>,
): AsyncGenerator<readonly (readonly [Row, Row])[], undefined> {
  let pairs: (readonly [Row, Row])[] = []
  let left = await expected.next()
  let right = await actual.next()
  while (!left.done && !right.done) {
    const order = compareUtf8(left.value.k, right.value.k)
    if (order === 0) pairs.push([left.value, right.value])
    if (pairs.length === OPENED_ROWS) {
      yield pairs
      pairs = []
    }
    if (order <= 0) left = await expected.next()
    if (order >= 0) right = await actual.next()
  }
  if (pairs.length > 0) yield pairs
  // Read to the end, so that both cursors are closed.
  while (!left.done) left = await expected.next()
  while (!right.done) right = await actual.next()
}

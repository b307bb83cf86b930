/** Counts what two key-ordered lists of rows have apart, holding one row of each. */
import { mergeOrdered } from './merge-ordered.ts'
import type { DifferenceKind } from './verify-report.ts'

export interface DigestedRow {
  /** Key text; the lists are in the order of its UTF-8 bytes. */
  readonly key: string
  readonly digest: string
}

export type DifferenceCounts = Record<DifferenceKind, number>

/**
 * Walks both lists once. A key that stands on both sides with other digests is `different`; what is left over of a key
 * that one side has more often is `missing` or `extra`, so that a doubled row is found too.
 *
 * @param onDifference Called for each, in key order.
 */
export async function mergeRows(
  expected: AsyncIterator<DigestedRow>,
  actual: AsyncIterator<DigestedRow>,
  onDifference: (kind: DifferenceKind, key: string) => void,
): Promise<DifferenceCounts> {
  const counts: DifferenceCounts = { missing: 0, extra: 0, different: 0 }
  const count = (kind: DifferenceKind, key: string): void => {
    counts[kind] += 1
    onDifference(kind, key)
  }
  for await (const { expected: left, actual: right } of mergeOrdered(expected, actual, (l, r) => compareUtf8(l.key, r.key))) {
    if (right === null) count('missing', left.key)
    else if (left === null) count('extra', right.key)
    else if (left.digest !== right.digest) count('different', left.key)
  }
  return counts
}

/** Order of two texts by their UTF-8 bytes; JavaScript's own `<` differs outside of the basic plane. */
export function compareUtf8(one: string, other: string): number {
  if (one === other) return 0
  return Buffer.compare(Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8'))
}

/** Counts what two key-ordered lists of rows have apart, holding one row of each. */
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
  let left = await expected.next()
  let right = await actual.next()
  while (!left.done || !right.done) {
    const order = left.done ? 1 : right.done ? -1 : compareUtf8(left.value.key, right.value.key)
    if (order < 0 && !left.done) {
      count('missing', left.value.key)
      left = await expected.next()
    } else if (order > 0 && !right.done) {
      count('extra', right.value.key)
      right = await actual.next()
    } else if (!left.done && !right.done) {
      if (left.value.digest !== right.value.digest) count('different', left.value.key)
      left = await expected.next()
      right = await actual.next()
    }
  }
  return counts
}

/** Order of two texts by their UTF-8 bytes; JavaScript's own `<` differs outside of the basic plane. */
export function compareUtf8(one: string, other: string): number {
  if (one === other) return 0
  return Buffer.compare(Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8'))
}

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DigestedRow, compareUtf8, mergeRows } from './merge-rows.ts'
import type { DifferenceKind } from './verify-report.ts'

async function* listed(rows: readonly DigestedRow[]): AsyncGenerator<DigestedRow, undefined> {
  for (const row of rows) yield await Promise.resolve(row)
}

const inOrder = (one: DigestedRow, other: DigestedRow): number =>
  compareUtf8(one.key, other.key) || compareUtf8(one.digest, other.digest)

async function merged(expected: readonly DigestedRow[], actual: readonly DigestedRow[]): Promise<[DifferenceKind, string][]> {
  const found: [DifferenceKind, string][] = []
  await mergeRows(listed(expected.toSorted(inOrder)), listed(actual.toSorted(inOrder)), (kind, key) => found.push([kind, key]))
  return found
}

const rows = fc.uniqueArray(
  fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 3 }), digest: fc.constantFrom('a', 'b') }),
  {
    selector: (row) => row.key,
  },
)

test('the differences are those of the two sets, whatever the keys', async () => {
  await fc.assert(
    fc.asyncProperty(rows, rows, async (expected, actual) => {
      const [left, right] = [new Map(expected.map((r) => [r.key, r.digest])), new Map(actual.map((r) => [r.key, r.digest]))]
      const wanted = [...new Set([...left.keys(), ...right.keys()])]
        .toSorted(compareUtf8)
        .flatMap((key): [DifferenceKind, string][] => {
          if (!right.has(key)) return [['missing', key]]
          if (!left.has(key)) return [['extra', key]]
          return left.get(key) === right.get(key) ? [] : [['different', key]]
        })
      expect(await merged(expected, actual)).toEqual(wanted)
    }),
  )
})

test('a row that one side has twice is told', async () => {
  const row = { key: 'k', digest: 'a' }
  expect(await merged([row, row], [row])).toEqual([['missing', 'k']])
  expect(await merged([row], [row, row])).toEqual([['extra', 'k']])
})

test('keys are ordered by their UTF-8 bytes, as PostgreSQL orders them in collation C', () => {
  // U+FF5E sorts before U+1F600 in UTF-8, after it in UTF-16.
  const texts = ['😀', '～']
  expect(texts.toSorted(compareUtf8)).toEqual(['～', '😀'])
  expect(texts.toSorted()).toEqual(['😀', '～'])
})

import { expect, test } from 'vitest'
import { type Pair, mergeOrdered } from './merge-ordered.ts'

async function* listed<Item>(items: readonly Item[]): AsyncGenerator<Item, undefined> {
  for (const item of items) yield await Promise.resolve(item)
}

async function merged(expected: readonly number[], actual: readonly string[]): Promise<readonly Pair<number, string>[]> {
  const pairs: Pair<number, string>[] = []
  for await (const pair of mergeOrdered(listed(expected), listed(actual), (n, text) => n - Number(text))) pairs.push(pair)
  return pairs
}

test('what both lists have is a pair, what one has stands alone, in their order', async () => {
  expect(await merged([1, 3, 4], ['2', '3', '5'])).toEqual([
    { expected: 1, actual: null },
    { expected: null, actual: '2' },
    { expected: 3, actual: '3' },
    { expected: 4, actual: null },
    { expected: null, actual: '5' },
  ])
})

test('what one list has more often is left over', async () => {
  expect(await merged([1], ['1', '1'])).toEqual([
    { expected: 1, actual: '1' },
    { expected: null, actual: '1' },
  ])
})

test('lists may be empty', async () => {
  expect(await merged([], [])).toEqual([])
  expect(await merged([1], [])).toEqual([{ expected: 1, actual: null }])
  expect(await merged([], ['1'])).toEqual([{ expected: null, actual: '1' }])
})

import { expect, test } from 'vitest'
import { ascending } from './ascending.ts'

test('numbers and texts in their order, whatever their size', () => {
  expect([9_007_199_254_740_994n, 1n, 9_007_199_254_740_993n].sort(ascending)).toEqual([
    1n,
    9_007_199_254_740_993n,
    9_007_199_254_740_994n,
  ])
  expect(['b', 'a', 'B'].sort(ascending)).toEqual(['B', 'a', 'b'])
  expect(ascending('a', 'a')).toBe(0)
})

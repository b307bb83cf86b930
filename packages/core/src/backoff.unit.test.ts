import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

test('delays double up to the bound, and chance takes at most half of one', () => {
  const limits = { firstMs: 50, longestMs: 5_000 }
  const longest = [1, 2, 3, 8, 60].map((attempt) => backoffMs(attempt, { ...limits, random: () => 1 }))
  expect(longest).toEqual([50, 100, 200, 5_000, 5_000])
  expect(backoffMs(8, { ...limits, random: () => 0 })).toBe(2_500)
})

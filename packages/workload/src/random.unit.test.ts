import { expect, test } from 'vitest'
import { Random, derivedSeed, sampleId } from './random.ts'

/** From another implementation of the same algorithm. */
const FIRST_OF_42 = [2837322924, 544945897, 479756282, 3500138142]

test('the same seed gives the same numbers, for ever', () => {
  const random = new Random(42)
  expect(Array.from({ length: 4 }, () => random.uint32())).toEqual(FIRST_OF_42)
  expect(new Random(43).uint32()).not.toBe(FIRST_OF_42[0])
})
test('numbers spread evenly over their range', () => {
  const random = new Random(7)
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 100_000; i += 1) counts[random.between(0, 9)]! += 1
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
})

test('no two rows of a table share an id, and tables and seeds differ', () => {
  const ids = new Set(Array.from({ length: 50_000 }, (_, n) => sampleId(1, 'users', n).slice(0, 8)))
  expect(ids.size).toBe(50_000)
  expect(sampleId(1, 'users', 0)).not.toBe(sampleId(1, 'companies', 0))
  expect(sampleId(1, 'users', 0)).not.toBe(sampleId(2, 'users', 0))
  expect(derivedSeed(1, 'a')).not.toBe(derivedSeed(1, 'b'))
})

test('ids are UUIDs of version 4', () => {
  expect(sampleId(3, 'users', 9)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

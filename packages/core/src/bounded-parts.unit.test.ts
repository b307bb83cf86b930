import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundedParts } from './bounded-parts.ts'

test('every item is in one part, in order; no part is larger than it may be but for an item that stands alone', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 12 }))
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5 }), (items, bytesMax, itemsMax) => {
      const parts = [...boundedParts(items, (size) => size, { bytesMax, itemsMax })]
      expect(parts.flat()).toEqual(items)
      for (const part of parts) {
        expect(part.length).toBeGreaterThan(0)
        expect(part.length).toBeLessThanOrEqual(itemsMax)
        if (part.length > 1) expect(part.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(bytesMax)
      }
    }),
  )
})

test('a part is as full as it can be', () => {
  expect([...boundedParts([4, 4, 3, 9, 1], (size) => size, { bytesMax: 8 })]).toEqual([[4, 4], [3], [9], [1]])
})

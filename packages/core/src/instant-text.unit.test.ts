import { expect, test } from 'vitest'
import { instantText } from './instant-text.ts'

test.each([
  [0n, '1970-01-01T00:00:00.000000Z'],
  [1n, '1970-01-01T00:00:00.000001Z'],
  [-1n, '1969-12-31T23:59:59.999999Z'],
  [1_763_719_200_123_456n, '2025-11-21T10:00:00.123456Z'],
])('%s microseconds are %s', (micros, text) => {
  expect(instantText(micros)).toBe(text)
})

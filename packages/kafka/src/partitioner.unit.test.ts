import { expect, test } from 'vitest'
import { murmur2, partitionOf } from './partitioner.ts'

// From Kafka's own UtilsTest.testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('murmur2 of "%s" is that of the Java client', (text, expected) => {
  expect(murmur2(Buffer.from(text))).toBe(expected)
})

test('every key has a partition of the topic', () => {
  for (let i = 0; i < 1000; i++) {
    const partition = partitionOf(Buffer.from(`key-${i}`), 7)
    expect(partition).toBeGreaterThanOrEqual(0)
    expect(partition).toBeLessThan(7)
  }
})

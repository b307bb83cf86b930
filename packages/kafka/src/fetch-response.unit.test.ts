import { expect, test } from 'vitest'
import { offsetOf } from '@sluice/core'
import { readFetchResponse } from './fetch-response.ts'

/** A record as kafkajs decodes it; each stands in a batch of its own. */
function record(offset: number, producerId: string, kind: 'data' | 'commit' | 'abort' = 'data', lastOffsetDelta = 0) {
  const key = kind === 'data' ? Buffer.from('k') : Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1])
  const batchContext = { producerId, inTransaction: true, firstOffset: String(offset), lastOffsetDelta }
  return {
    offset: String(offset),
    key,
    value: Buffer.from(String(offset)),
    headers: {},
    timestamp: '0',
    isControlRecord: kind !== 'data',
    batchContext,
  }
}

function read(from: number, messages: readonly object[], abortedTransactions: readonly object[] = []) {
  const partitions = [{ partition: 0, lastStableOffset: '100', abortedTransactions, messages }]
  const [fetched] = readFetchResponse({ responses: [{ topicName: 't', partitions }] }, () => offsetOf(from))
  return { offsets: fetched?.messages.map((m) => Number(m.offset)), next: fetched?.next }
}

test('two producers with open aborted transactions where the fetch begins: neither is shown', () => {
  // kafkajs itself opens one aborted transaction a record and would show offset 10.
  const aborted = [
    { producerId: 'a', firstOffset: '3' },
    { producerId: 'b', firstOffset: '5' },
  ]
  const messages = [
    record(10, 'b'),
    record(11, 'a'),
    record(12, 'b', 'abort'),
    record(13, 'a', 'abort'),
    record(14, 'a'),
    record(15, 'a', 'commit'),
  ]
  expect(read(10, messages, aborted)).toEqual({ offsets: [14], next: offsetOf(16) })
})

test('records below the asked offset, which come with their batch, are left out', () => {
  expect(read(2, [record(0, 'a'), record(1, 'a'), record(2, 'a'), record(3, 'a')])).toEqual({
    offsets: [2, 3],
    next: offsetOf(4),
  })
})

test('the end of a batch whose last records were compacted away is passed', () => {
  expect(read(0, [record(0, 'a', 'data', 5)])).toEqual({ offsets: [0], next: offsetOf(6) })
})

test('an answer without records moves nothing', () => {
  expect(read(7, [])).toEqual({ offsets: [], next: null })
})

test.each([{}, { responses: 1 }, { responses: [{ topicName: 't', partitions: [{ partition: 'x' }] }] }])(
  'what is no answer is refused',
  (response) => {
    expect(() => readFetchResponse(response, () => offsetOf(0))).toThrow(TypeError)
  },
)

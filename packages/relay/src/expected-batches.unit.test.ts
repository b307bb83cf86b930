import { type PartitionEnd, offsetOf } from '@sluice/core'
import type { OutgoingMessage, SentBatch } from '@sluice/kafka'
import { describe, expect, it } from 'vitest'
import { expectedBatches, landedAsExpected } from './expected-batches.ts'

function end(partition: number, offset: number): PartitionEnd {
  return { topic: 'rows', partition, end: offsetOf(offset), events: 1n }
}

function message(partition: number): OutgoingMessage {
  return { partition, key: Buffer.from('k'), value: null, headers: {}, timestampMs: 0 }
}

function batch(partition: number, baseOffset: number, count: number, topic = 'rows'): SentBatch {
  return { topic, partition, baseOffset: offsetOf(baseOffset), count }
}

describe('where the messages of a transaction will land', () => {
  it('is behind the last event and the marker of its transaction; at the beginning where there was none', () => {
    const expected = expectedBatches([end(0, 7), end(1, 20)], [{ topic: 'rows', messages: [message(0), message(2), message(0)] }])
    expect(expected).toEqual([batch(0, 8, 2), batch(2, 0, 1)])
  })

  it('agrees with what Kafka answers, in one batch a partition or several', () => {
    const expected = [batch(0, 8, 3), batch(1, 0, 1)]
    expect(landedAsExpected(expected, [batch(0, 8, 3), batch(1, 0, 1), batch(0, 99, 1, 'control')])).toBe(true)
    expect(landedAsExpected(expected, [batch(0, 8, 2), batch(1, 0, 1), batch(0, 10, 1)])).toBe(true)
  })

  it.each([
    ['an aborted transaction lies between', [batch(0, 11, 3)]],
    ['a batch lies between two of ours', [batch(0, 8, 2), batch(0, 11, 1)]],
    ['a batch is missing', [batch(0, 8, 2)]],
    ['Kafka answered for none of them', []],
  ])('does not agree where %s', (_where, sent) => {
    expect(landedAsExpected([batch(0, 8, 3)], sent)).toBe(false)
  })
})

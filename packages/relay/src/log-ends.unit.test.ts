import { offsetOf } from '@sluice/core'
import type { OutgoingMessage, SentBatch, TopicMessages } from '@sluice/kafka'
import { describe, expect, it } from 'vitest'
import { LogEnds } from './log-ends.ts'

/** Ends of a topic with three partitions: two with events and their markers, one with nothing. */
function read(): Promise<LogEnds> {
  const offsets = [8, 21, 0].map((high, partition) => ({ partition, low: offsetOf(0), high: offsetOf(high) }))
  return LogEnds.read({ offsets: () => Promise.resolve(offsets) }, ['rows'])
}

function messages(...partitions: readonly number[]): readonly TopicMessages[] {
  const list: OutgoingMessage[] = partitions.map((partition) => {
    return { partition, key: Buffer.from('k'), value: null, headers: {}, timestampMs: 0 }
  })
  return [{ topic: 'rows', messages: list }]
}

function batch(partition: number, baseOffset: number, count: number, topic = 'rows'): SentBatch {
  return { topic, partition, baseOffset: offsetOf(baseOffset), count }
}

describe('where the next messages will lie', () => {
  it('is the end of the partition, for all of a partition together', async () => {
    expect((await read()).expect(messages(0, 2, 0))).toEqual([batch(0, 8, 2), batch(2, 0, 1)])
  })

  it('is right behind what the same transaction sent, and behind a marker after the next', async () => {
    const ends = await read()
    expect(ends.sent(ends.expect(messages(0)), [batch(0, 8, 1), batch(0, 99, 1, 'control')])).toBe(true)
    expect(ends.expect(messages(0))).toEqual([batch(0, 9, 1)])
    expect(ends.sent(ends.expect(messages(0)), [batch(0, 9, 1)])).toBe(true)
    ends.ended()
    expect(ends.expect(messages(0))).toEqual([batch(0, 11, 1)])
  })

  it('is the same where Kafka answers for a partition in several batches', async () => {
    const ends = await read()
    expect(ends.sent(ends.expect(messages(0, 0, 0, 1)), [batch(0, 8, 2), batch(1, 21, 1), batch(0, 10, 1)])).toBe(true)
  })

  it.each([
    ['an aborted transaction lies between', [batch(0, 11, 3)]],
    ['a batch lies between two of ours', [batch(0, 8, 2), batch(0, 11, 1)]],
    ['a batch is there twice', [batch(0, 8, 3), batch(0, 11, 3)]],
    ['a batch is missing', [batch(0, 8, 2)]],
    ['Kafka answered for none of them', []],
  ])('was guessed wrong where %s', async (_where, answered) => {
    const ends = await read()
    expect(ends.sent(ends.expect(messages(0, 0, 0)), answered)).toBe(false)
  })

  it('is learned from the answer', async () => {
    const ends = await read()
    ends.sent(ends.expect(messages(0)), [batch(0, 12, 1)])
    ends.ended()
    expect(ends.expect(messages(0))).toEqual([batch(0, 14, 1)])
  })
})

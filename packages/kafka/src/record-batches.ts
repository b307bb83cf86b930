/** Splits a send into rounds in which each partition gets at most one record batch of bounded size. */
import { boundedParts } from '@sluice/core'
import type { OutgoingMessage, TopicMessages } from './kafka-port.ts'

/** What a record takes beside key, value and headers: lengths, deltas, attributes. */
const RECORD_OVERHEAD_BYTES = 32
const HEADER_OVERHEAD_BYTES = 4

/** Upper estimate of a message's size in a record batch. */
export function recordBytes(message: OutgoingMessage): number {
  let bytes = RECORD_OVERHEAD_BYTES + message.key.length + (message.value?.length ?? 0)
  for (const name in message.headers) {
    // A UTF-16 unit takes 3 bytes at most.
    bytes += HEADER_OVERHEAD_BYTES + name.length * 3 + (message.headers[name] ?? '').length * 3
  }
  return bytes
}

export interface PartitionBatch {
  readonly topic: string
  readonly partition: number
  readonly messages: readonly OutgoingMessage[]
}

/**
 * Rounds of record batches. Order within a partition is kept: what does not fit goes into the next round. One message that is
 * larger than the bound goes alone; the broker decides about it.
 */
export function batchRounds(topics: readonly TopicMessages[], bytesMax: number): readonly (readonly PartitionBatch[])[] {
  const rounds: PartitionBatch[][] = []
  for (const { topic, messages } of topics) {
    for (const [partition, list] of groupByPartition(messages)) {
      let round = 0
      for (const part of boundedParts(list, recordBytes, { bytesMax })) {
        ;(rounds[round] ??= []).push({ topic, partition, messages: part })
        round += 1
      }
    }
  }
  return rounds
}

function groupByPartition(messages: readonly OutgoingMessage[]): Map<number, OutgoingMessage[]> {
  const groups = new Map<number, OutgoingMessage[]>()
  for (const message of messages) {
    const group = groups.get(message.partition)
    if (group) group.push(message)
    else groups.set(message.partition, [message])
  }
  return groups
}

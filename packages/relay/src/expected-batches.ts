/**
 * Where messages will land, said before they are sent: then the control record can go with them in one request.
 *
 * The relay is the only writer of its partitions, and each of its transactions leaves one marker behind its last event there
 * (https://kafka.apache.org/documentation/#semantics). A transaction that was aborted, by this relay or one before, makes the guess
 * wrong; so what Kafka answers is compared with it before anything is committed.
 */
import { type PartitionEnd, offsetOf, partitionName } from '@sluice/core'
import type { SentBatch, TopicMessages } from '@sluice/kafka'

const TRANSACTION_MARKERS = 1n

/** One batch a partition, in no particular order. @param ends How far each partition is published; one that is absent has nothing. */
export function expectedBatches(ends: readonly PartitionEnd[], topics: readonly TopicMessages[]): readonly SentBatch[] {
  const known = new Map(ends.map((e) => [partitionName(e), e.end]))
  return topics.flatMap(({ topic, messages }) => {
    const counts = new Map<number, number>()
    for (const { partition } of messages) counts.set(partition, (counts.get(partition) ?? 0) + 1)
    return [...counts].map(([partition, count]) => {
      const end = known.get(partitionName({ topic, partition }))
      return { topic, partition, baseOffset: offsetOf(end === undefined ? 0n : end + TRANSACTION_MARKERS), count }
    })
  })
}

/** True if every message is where it was expected; batches of other topics do not count. */
export function landedAsExpected(expected: readonly SentBatch[], sent: readonly SentBatch[]): boolean {
  const next = new Map<string, bigint>(expected.map((e) => [partitionName(e), e.baseOffset]))
  for (const batch of sent) {
    const name = partitionName(batch)
    const offset = next.get(name)
    if (offset === undefined) continue
    if (offset !== batch.baseOffset) return false
    next.set(name, offset + BigInt(batch.count))
  }
  return expected.every((e) => next.get(partitionName(e)) === e.baseOffset + BigInt(e.count))
}

/** How far each partition of the lane is published: carried from control record to control record. */
import { type PartitionEnd, offsetOf, partitionName } from '@sluice/core'
import type { SentBatch } from '@sluice/kafka'

/**
 * The ends after more was sent. A record that is not committed leaves its ends behind, so this never changes what it got.
 *
 * @param sent In the order of the sends.
 */
export function advanceEnds(ends: readonly PartitionEnd[], sent: readonly SentBatch[]): readonly PartitionEnd[] {
  const next = new Map(ends.map((e) => [partitionName(e), e]))
  for (const { topic, partition, baseOffset, count } of sent) {
    const name = partitionName({ topic, partition })
    const events = (next.get(name)?.events ?? 0n) + BigInt(count)
    next.set(name, { topic, partition, end: offsetOf(baseOffset + BigInt(count)), events })
  }
  return [...next.values()]
}

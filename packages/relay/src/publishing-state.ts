/**
 * What was published so far, as the next control record tells it. It is replaced as a whole after Kafka committed, so that a
 * transaction that failed leaves no trace.
 */
import { BEFORE_FIRST, type ControlRecord, type PartitionEnd, type PositionNumber, partitionName } from '@sluice/core'
import type { SentBatch } from '@sluice/kafka'
import type { LaneRecord } from '@sluice/store'
import type { Publication } from './publication.ts'

export interface PublishingState {
  readonly position: PositionNumber
  readonly link: bigint
  /** Hex. */
  readonly head: string
  /** By `partitionName`. */
  readonly ends: ReadonlyMap<string, PartitionEnd>
}

/** @param chainStart Hex of the hash of link 0. */
export function stateBefore(record: ControlRecord | null, chainStart: string): PublishingState {
  if (record === null) return { position: BEFORE_FIRST, link: 0n, head: chainStart, ends: new Map() }
  return {
    position: record.position,
    link: record.link,
    head: record.head,
    ends: new Map(record.partitions.map((end) => [partitionName(end), end])),
  }
}

export function stateAfter(state: PublishingState, publication: Publication, sent: readonly SentBatch[]): PublishingState {
  const ends = new Map(state.ends)
  for (const batch of sent) {
    const name = partitionName(batch)
    const { topic, partition } = batch
    const end = (batch.baseOffset + BigInt(batch.count)) as PartitionEnd['end']
    const before = ends.get(name)
    ends.set(name, {
      topic,
      partition,
      end: before && before.end > end ? before.end : end,
      events: (before?.events ?? 0n) + BigInt(batch.count),
    })
  }
  return {
    position: publication.last,
    link: publication.closed?.link ?? state.link,
    head: publication.closed?.hash ?? state.head,
    ends,
  }
}

export function controlRecordOf(
  lane: LaneRecord,
  clusterId: string,
  before: PublishingState,
  after: PublishingState,
  commitEnd: boolean,
): ControlRecord {
  return {
    lane: lane.lane,
    laneName: lane.laneName,
    epoch: lane.epoch,
    position: after.position,
    previous: before.position,
    commitEnd,
    link: after.link,
    head: after.head,
    partitions: [...after.ends.values()],
    clusterId,
  }
}

/**
 * How far a service is, as its own database says: applied position of each lane, consumed offset of each partition. Both
 * move by compare-and-set in the transaction that applies the events.
 */
import {
  type LaneId,
  type Offset,
  type PositionNumber,
  type TopicPartition,
  type Uuid,
  laneId,
  offsetOf,
  parseUuid,
  partitionName,
  positionNumber,
} from '@sluice/core'
import type { ClientBase } from 'pg'

export interface LanePosition {
  readonly lane: LaneId
  readonly laneName: string
  readonly epoch: Uuid
  readonly clusterId: string
  readonly applied: PositionNumber
  /** Below it, `processed_events` is pruned: an event counts as met. */
  readonly prunedThrough: PositionNumber
}

export interface PartitionPosition extends TopicPartition {
  readonly next: Offset
  readonly events: bigint
}

export interface ServicePosition {
  /** By lane name. */
  readonly lanes: ReadonlyMap<string, LanePosition>
  /** By `partitionName`. */
  readonly partitions: ReadonlyMap<string, PartitionPosition>
}

/**
 * @param options.waitForRunning Wait until a transaction of another projector of the service, one that is losing its
 *   partitions, has ended.
 */
export async function readServicePosition(
  client: ClientBase,
  options: { readonly waitForRunning: boolean },
): Promise<ServicePosition> {
  if (options.waitForRunning) await client.query('SELECT FROM public.projector_positions FOR UPDATE')
  const lanes = await client.query<{
    lane: number
    lane_name: string
    epoch: string
    cluster_id: string
    applied: string
    pruned: string
  }>(
    `SELECT lane, lane_name, epoch::text, cluster_id, applied_position::text AS applied, pruned_through::text AS pruned
     FROM public.projector_positions`,
  )
  const partitions = await client.query<{ topic: string; partition: number; next: string; events: string }>(
    'SELECT topic, partition, next_offset::text AS next, events::text FROM public.consumed_offsets',
  )
  return {
    lanes: new Map(
      lanes.rows.map((r) => [
        r.lane_name,
        {
          lane: laneId(r.lane),
          laneName: r.lane_name,
          epoch: parseUuid(r.epoch),
          clusterId: r.cluster_id,
          applied: positionNumber(r.applied),
          prunedThrough: positionNumber(r.pruned),
        },
      ]),
    ),
    partitions: new Map(
      partitions.rows.map((r) => [
        partitionName(r),
        { topic: r.topic, partition: r.partition, next: offsetOf(r.next), events: BigInt(r.events) },
      ]),
    ),
  }
}

/** Makes the rows of partitions that are consumed for the first time, so that all later moves are compare-and-set. */
export async function ensurePartitions(client: ClientBase, places: readonly TopicPartition[]): Promise<void> {
  await client.query(
    `INSERT INTO public.consumed_offsets (topic, partition, next_offset, events)
     SELECT topic, partition, 0, 0 FROM unnest($1::text[], $2::integer[]) AS p (topic, partition) ON CONFLICT DO NOTHING`,
    [places.map((p) => p.topic), places.map((p) => p.partition)],
  )
}

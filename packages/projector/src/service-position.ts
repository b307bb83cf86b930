/**
 * How far a service is, as its own database says: applied position of each lane, consumed offset of each partition. Both
 * move by compare-and-set in the transaction that applies the events. Where members share the work (decision 0010) each
 * partition has an applied position of its own, and the lane's follows the least of them.
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

/** How far a partition is by itself, where members share the work. */
export interface PartitionShare {
  readonly laneName: string
  /** All events of the partition up to here are applied, or listed as parked. */
  readonly applied: PositionNumber
  /** The offset of the lane's control topic to go on from. */
  readonly control: Offset
}

export interface PartitionPosition extends TopicPartition {
  readonly next: Offset
  readonly events: bigint
  /** Null where one projector works through the whole lane, and for a control topic. */
  readonly share: PartitionShare | null
}

export interface ServicePosition {
  /** By lane name. */
  readonly lanes: ReadonlyMap<string, LanePosition>
  /** By `partitionName`; of a member that shares the work only its own. */
  readonly partitions: ReadonlyMap<string, PartitionPosition>
  /** The membership that owns the partitions; null where one projector works through whole lanes. */
  readonly owner: Uuid | null
}

interface LaneRow {
  lane: number
  lane_name: string
  epoch: string
  cluster_id: string
  applied: string
  pruned: string
}

interface PartitionRow {
  topic: string
  partition: number
  next: string
  events: string
  lane_name: string | null
  applied: string | null
  control: string | null
}

/**
 * @param options.waitForRunning Wait until a transaction of another projector of the service, one that is losing its
 *   partitions, has ended.
 */
export async function readServicePosition(
  client: ClientBase,
  options: { readonly waitForRunning: boolean },
): Promise<ServicePosition> {
  // Read after the lock is granted, in a statement of its own: it sees what the transaction waited for has committed.
  if (options.waitForRunning) await client.query('SELECT FROM public.projector_positions FOR UPDATE')
  const lanes = await readLanes(client)
  const partitions = await client.query<PartitionRow>(`${PARTITIONS} FROM public.consumed_offsets o`)
  return {
    lanes,
    partitions: new Map(partitions.rows.map((row) => [partitionName(row), { ...partitionOfRow(row), share: null }])),
    owner: null,
  }
}

/** The position of a member that shares the work: its own partitions, each with its share. */
export async function readOwnedPosition(client: ClientBase, owner: Uuid): Promise<ServicePosition> {
  const lanes = await readLanes(client)
  const { rows } = await client.query<PartitionRow>(`${PARTITIONS} FROM public.consumed_offsets o WHERE o.owner = $1`, [owner])
  return { lanes, partitions: new Map(rows.map((row) => [partitionName(row), partitionOfRow(row)])), owner }
}

/** How far a lane is for whom a position belongs to: the whole lane, or the least of a member's own partitions. */
export function appliedIn(position: ServicePosition, laneName: string): PositionNumber {
  if (position.owner === null) return position.lanes.get(laneName)?.applied ?? positionNumber(0)
  const applied = sharesOf(position, laneName).map(({ share }) => share.applied)
  return applied.reduce((least, next) => (next < least ? next : least), applied[0] ?? positionNumber(0))
}

/** A member's own partitions of a lane. */
export function sharesOf(
  position: ServicePosition,
  laneName: string,
): readonly (PartitionPosition & { readonly share: PartitionShare })[] {
  return [...position.partitions.values()].flatMap((p) => (p.share?.laneName === laneName ? [{ ...p, share: p.share }] : []))
}

/** Makes the rows of partitions that are consumed for the first time, so that all later moves are compare-and-set. */
export async function ensurePartitions(client: ClientBase, places: readonly TopicPartition[]): Promise<void> {
  await client.query(
    `INSERT INTO public.consumed_offsets (topic, partition, next_offset, events)
     SELECT topic, partition, 0, 0 FROM unnest($1::text[], $2::integer[]) AS p (topic, partition) ON CONFLICT DO NOTHING`,
    [places.map((p) => p.topic), places.map((p) => p.partition)],
  )
}

const PARTITIONS = `SELECT o.topic, o.partition, o.next_offset::text AS next, o.events::text AS events, o.lane_name,
  o.applied_position::text AS applied, o.control_offset::text AS control`

async function readLanes(client: ClientBase): Promise<ReadonlyMap<string, LanePosition>> {
  const { rows } = await client.query<LaneRow>(
    `SELECT lane, lane_name, epoch::text, cluster_id, applied_position::text AS applied, pruned_through::text AS pruned
     FROM public.projector_positions`,
  )
  return new Map(
    rows.map((r) => [
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
  )
}

function partitionOfRow(row: PartitionRow): PartitionPosition {
  const { topic, partition, lane_name: laneName, applied, control } = row
  const share =
    laneName === null || applied === null || control === null
      ? null
      : { laneName, applied: positionNumber(applied), control: offsetOf(control) }
  return { topic, partition, next: offsetOf(row.next), events: BigInt(row.events), share }
}

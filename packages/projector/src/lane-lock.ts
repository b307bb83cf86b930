/**
 * Opens the transaction of a batch and locks what it will move: the lane's row, or, where members share the work, the member's
 * partitions, with a lock on the lane's row that members do not refuse each other. Either keeps out whoever locks the lane's row
 * FOR UPDATE.
 */
import { type PositionNumber, partitionName, positionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { Batch } from './batch.ts'
import { anotherCluster, anotherEpoch, offsetsMoved, partitionLost } from './hand-over.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import type { ProjectionPlan } from './projection-plan.ts'
import { type ServicePosition, appliedIn, sharesOf } from './service-position.ts'

/** A lane as the transaction found it. */
export interface LaneState {
  /** Where this projector is: of a member that shares the work, the least of its own partitions. */
  readonly applied: PositionNumber
  readonly prunedThrough: PositionNumber
  readonly isBarred: boolean
  /** Null with a barrier: nothing more at all. */
  readonly stopAt: PositionNumber | null
  readonly hasParked: boolean
}

export interface LockContext {
  readonly plan: ProjectionPlan
  readonly statements: PreparedStatements
  /** What the service database said at the last commit. */
  readonly position: ServicePosition
  /** Statements that open the transaction: `BEGIN; `, and behind a pooler the settings that it needs. */
  readonly begin: string
}

/**
 * The state is read once the locks are granted: a barrier that was committed before is seen, and one that has expired counts
 * until somebody removed it.
 *
 * @throws SluiceError SLU-5010 if somebody else moved what is locked; SLU-4102, SLU-4104
 */
export async function lockLane(client: ClientBase, batch: Batch, context: LockContext): Promise<LaneState> {
  const { position, plan, statements } = context
  await begin(client, batch, context)
  if (position.owner !== null) await lockPartitions(client, batch, context)
  const { rows } = await client.query<{
    applied: string
    pruned: string
    epoch: string
    cluster_id: string
    is_barred: boolean
    stop_at: string | null
    has_parked: boolean
  }>(
    statements.named(
      `SELECT p.applied_position::text AS applied, p.pruned_through::text AS pruned, p.epoch::text AS epoch, p.cluster_id,
       b.lane IS NOT NULL AS is_barred, b.stop_at::text AS stop_at, EXISTS (SELECT FROM public.parked_events) AS has_parked
     FROM public.projector_positions p LEFT JOIN public.projector_barriers b ON b.lane = p.lane WHERE p.lane = $1`,
      [batch.lane],
    ),
  )
  const [row] = rows
  const known = appliedIn(position, batch.laneName)
  const isMoved = position.owner === null && row?.applied !== known.toString()
  if (!row || isMoved) throw offsetsMoved(plan.service, batch.laneName, known, row?.applied)
  if (row.epoch !== batch.epoch) throw anotherEpoch(plan.service, batch.laneName, row.epoch, batch.epoch)
  if (row.cluster_id !== batch.clusterId) throw anotherCluster(plan.service, row.cluster_id, batch.clusterId)
  return {
    applied: known,
    prunedThrough: positionNumber(row.pruned),
    isBarred: row.is_barred,
    stopAt: row.stop_at === null ? null : positionNumber(row.stop_at),
    hasParked: row.has_parked,
  }
}

/** Opens the transaction and takes the lane's row, which is made with the lane's first batch. */
async function begin(client: ClientBase, batch: Batch, { position, begin }: LockContext): Promise<void> {
  const { lane } = batch
  const lock = position.owner === null ? 'FOR UPDATE' : 'FOR KEY SHARE'
  const take = `SELECT FROM public.projector_positions WHERE lane = ${lane} ${lock}`
  if (position.lanes.has(batch.laneName)) {
    await client.query(`${begin}SET CONSTRAINTS ALL DEFERRED; ${take}`)
    return
  }
  await client.query(`${begin}SET CONSTRAINTS ALL DEFERRED`)
  await client.query(
    `INSERT INTO public.projector_positions (lane, lane_name, epoch, cluster_id, applied_position)
     VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING`,
    [lane, batch.laneName, batch.epoch, batch.clusterId],
  )
  await client.query(take)
}

/** Locks the member's partitions of the lane, always in one order; nothing of them may have moved since it last knew. */
async function lockPartitions(client: ClientBase, batch: Batch, { position, plan, statements }: LockContext): Promise<void> {
  const own = sharesOf(position, batch.laneName)
  const { rows } = await client.query<{ topic: string; partition: number; next: string; is_own: boolean }>(
    statements.named(
      `SELECT o.topic, o.partition, o.next_offset::text AS next, o.owner IS NOT DISTINCT FROM $3 AS is_own
     FROM public.consumed_offsets o JOIN unnest($1::text[], $2::integer[]) AS p (topic, partition) USING (topic, partition)
     ORDER BY o.topic, o.partition FOR UPDATE OF o`,
      [own.map((p) => p.topic), own.map((p) => p.partition), position.owner],
    ),
  )
  const found = new Map(rows.map((row) => [partitionName(row), row]))
  for (const place of own) {
    const row = found.get(partitionName(place))
    if (row?.is_own !== true || row.next !== place.next.toString()) throw partitionLost(plan.service, place)
  }
}

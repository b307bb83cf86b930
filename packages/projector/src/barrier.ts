/**
 * The barriers that `verify` asks for (`projector_barriers`). The transaction that applies a batch obeys them by itself; here the
 * projector says that it stands.
 *
 * A row holds the projector as long as it is there. One that has expired is removed here before anything is applied above it, so
 * that who placed it learns that it held no longer: it can only be renewed while it is there.
 */
import { type LaneId, type PositionNumber, laneId, positionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'
import { type ServicePosition, appliedIn } from './service-position.ts'
import { answerForAllMembers } from './shared-work.ts'

export interface Barrier {
  readonly lane: LaneId
  /** Null: nothing more at all. */
  readonly stopAt: PositionNumber | null
  readonly applied: PositionNumber
  /** True if this projector applies nothing more of the lane while the barrier stands. */
  readonly isReached: boolean
}

interface BarrierRow {
  lane: number
  lane_name: string | null
  stop_at: string | null
  applied: string
  standing: string | null
}

/**
 * Removes the barriers that have expired, reads those that stand, and answers those that are reached. Not during a transaction
 * that applies events: what it says must hold. A lane that never had an event stands at 0.
 */
export async function answerBarriers(client: ClientBase, position: ServicePosition): Promise<readonly Barrier[]> {
  // A renewal that is under way is waited for, and its row kept.
  const { rows } = await client.query<BarrierRow>(
    `WITH expired AS (DELETE FROM public.projector_barriers WHERE expires_at <= clock_timestamp() RETURNING lane)
     SELECT b.lane, p.lane_name, b.stop_at::text AS stop_at, coalesce(p.applied_position, 0)::text AS applied,
       b.standing_at::text AS standing
     FROM public.projector_barriers b LEFT JOIN public.projector_positions p ON p.lane = b.lane
     WHERE b.lane NOT IN (SELECT lane FROM expired)`,
  )
  const barriers: Barrier[] = []
  for (const row of rows) {
    const stopAt = row.stop_at === null ? null : positionNumber(row.stop_at)
    const reaches = (at: PositionNumber): boolean => stopAt === null || stopAt <= at
    const isAnswered = row.standing === row.applied
    const laneApplied = positionNumber(row.applied)
    if (reaches(laneApplied) && !isAnswered) await answer(client, position, row.lane, laneApplied, stopAt)
    const applied = position.owner === null || row.lane_name === null ? laneApplied : appliedIn(position, row.lane_name)
    barriers.push({ lane: laneId(row.lane), stopAt, applied, isReached: reaches(applied) })
  }
  return barriers
}

async function answer(
  client: ClientBase,
  position: ServicePosition,
  lane: number,
  applied: PositionNumber,
  stopAt: PositionNumber | null,
): Promise<void> {
  if (position.owner !== null) return answerForAllMembers(client, lane, stopAt)
  // The barrier may have been moved since it was read: then it is answered the next time.
  await client.query(
    `UPDATE public.projector_barriers SET standing_at = $2 WHERE lane = $1 AND stop_at IS NOT DISTINCT FROM $3::bigint`,
    [lane, applied.toString(), stopAt?.toString() ?? null],
  )
}

/**
 * The barriers that `verify` asks for (`projector_barriers`). The transaction that applies a batch obeys them by itself; here the
 * projector says that it stands.
 */
import { type LaneId, type PositionNumber, laneId, positionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface Barrier {
  readonly lane: LaneId
  /** Null: nothing more at all. */
  readonly stopAt: PositionNumber | null
  readonly applied: PositionNumber
  /** True if the projector applies nothing more of the lane while the barrier stands. */
  readonly isReached: boolean
}

/**
 * Reads the barriers that stand and answers those that are reached. Not during a transaction that applies events: what
 * it says must hold. A lane that never had an event stands at 0.
 */
export async function answerBarriers(client: ClientBase): Promise<readonly Barrier[]> {
  const { rows } = await client.query<{ lane: number; stop_at: string | null; applied: string; standing: string | null }>(
    `SELECT b.lane, b.stop_at::text AS stop_at, coalesce(p.applied_position, 0)::text AS applied, b.standing_at::text AS standing
     FROM public.projector_barriers b LEFT JOIN public.projector_positions p ON p.lane = b.lane
     WHERE b.expires_at > clock_timestamp()`,
  )
  const barriers = rows.map((row) => {
    const applied = positionNumber(row.applied)
    const stopAt = row.stop_at === null ? null : positionNumber(row.stop_at)
    return { lane: laneId(row.lane), stopAt, applied, isReached: stopAt === null || stopAt <= applied, standing: row.standing }
  })
  for (const { lane, applied, stopAt, isReached, standing } of barriers) {
    if (!isReached || standing === applied.toString()) continue
    // The barrier may have been moved since it was read: then it is answered the next time.
    await client.query(
      `UPDATE public.projector_barriers SET standing_at = $2 WHERE lane = $1 AND stop_at IS NOT DISTINCT FROM $3::bigint`,
      [lane, applied.toString(), stopAt?.toString() ?? null],
    )
  }
  return barriers
}

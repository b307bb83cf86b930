/** Pruning of `processed_events`: what lies below a mark is not remembered event by event any more. */
import { type LaneId, type PositionNumber, positionNumber } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'

/** Positions of one DELETE, so that no transaction is long. */
const POSITIONS_AT_ONCE = 50_000n

/**
 * Forgets the events of a lane up to a position, or up to the applied one if that is less. The mark moves first: from then on an
 * event at or below it counts as met, also one that a relay had parked and publishes late: `through` has to be below the oldest of those.
 * Parked events keep their rows. Killed in the middle, the next call goes on.
 *
 * @returns how many of its rows were deleted
 */
export async function pruneProcessedEvents(target: PostgresTarget, lane: LaneId, through: PositionNumber): Promise<number> {
  return withConnection(target, { applicationName: 'sluice prune' }, async (client) => {
    const { rows } = await client.query<{ mark: string }>(
      `UPDATE public.projector_positions SET pruned_through = greatest(pruned_through, least($2::bigint, applied_position))
       WHERE lane = $1 RETURNING pruned_through::text AS mark`,
      [lane, through.toString()],
    )
    const mark = positionNumber(rows[0]?.mark ?? 0)
    await client.query(
      `DELETE FROM public.processed_truncates t WHERE lane = $1 AND position <= $2
       AND NOT EXISTS (SELECT FROM public.parked_events p WHERE p.event_id = t.event_id)`,
      [lane, mark.toString()],
    )
    const first = await client.query<{ position: string | null }>(
      'SELECT min(position)::text AS position FROM public.processed_events WHERE lane = $1 AND position <= $2',
      [lane, mark.toString()],
    )
    const from = first.rows[0]?.position
    if (from === null || from === undefined) return 0
    let deleted = 0
    for (let low = BigInt(from) - 1n; low < mark; low += POSITIONS_AT_ONCE) {
      const high = low + POSITIONS_AT_ONCE < mark ? low + POSITIONS_AT_ONCE : mark
      const { rowCount } = await client.query(
        `DELETE FROM public.processed_events e WHERE lane = $1 AND position > $2 AND position <= $3
         AND NOT EXISTS (SELECT FROM public.parked_events p WHERE p.event_id = e.event_id)`,
        [lane, low.toString(), high.toString()],
      )
      deleted += rowCount ?? 0
    }
    return deleted
  })
}

/** How far everything was at a moment, and what that moment had in flight. */
import { LANE, type Stage } from './stage.ts'

export interface ProgressMark {
  /** Milliseconds since 1970, of this machine. */
  readonly at: number
  /** Position of the lane in the store. */
  readonly stored: number
  /** The least position that any service has applied. */
  readonly applied: number
}

export async function markProgress(stage: Stage): Promise<ProgressMark> {
  const at = Date.now()
  const [stored, applied] = await Promise.all([stage.system.storedPosition(LANE), leastApplied(stage)])
  return { at, stored, applied }
}

/**
 * Waits until every service has applied an event that was stored after the mark, and with it all that were on their way. There may be
 * many of them; what must not be is that the slowest service stands still.
 *
 * @returns milliseconds since the mark
 */
export async function recovery(stage: Stage, mark: ProgressMark): Promise<number> {
  for (let applied = await leastApplied(stage); applied <= mark.stored;) {
    applied = await stage.until('the slowest service to go on after the fault', async () => {
      const now = await leastApplied(stage)
      return now > applied && now
    })
  }
  return Date.now() - mark.at
}

/** Events that had been committed in the monolith when the mark was made, and that some service had not applied. Asked after the recovery. */
export async function eventsInFlight(stage: Stage, mark: ProgressMark): Promise<number> {
  const pipeline = await stage.system.client('pipeline')
  const { rows } = await pipeline.query<{ last: string | null }>(
    `SELECT max(c.last_position)::text AS last FROM event_commits c JOIN lanes l USING (lane)
     WHERE l.lane_name = $1 AND c.last_position > $2 AND c.committed_at <= to_timestamp($3::double precision / 1000)`,
    [LANE, mark.applied, mark.at],
  )
  return Math.max(Number(rows[0]?.last ?? 0), mark.stored) - mark.applied
}

export async function leastApplied(stage: Stage): Promise<number> {
  const { system } = stage
  return Math.min(...(await Promise.all(system.services.map((service) => system.appliedPosition(service, LANE)))))
}

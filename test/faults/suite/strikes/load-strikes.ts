/** kill -9 at points that only the beginning of a lane passes: its creation and the initial load, one start after the other. */
import type { FaultPoint } from '@sluice/core'
import { type ProgressMark, markProgress, recovery } from '../progress-mark.ts'
import { LANE, type Stage } from '../stage.ts'
import { armed, endAtPoint } from './process-strikes.ts'

export interface LoadStruck {
  readonly mark: ProgressMark
  /** Milliseconds until an event was applied that was stored after it; a later fault of the same load may come between. */
  readonly recovered: Promise<number>
}

/** Starts the reader and ends it at the point. Afterwards no reader runs. */
export async function strikeLoad(stage: Stage, point: FaultPoint): Promise<LoadStruck> {
  stage.startReader(armed(point, 1))
  await endAtPoint(stage, 'reader', point)
  const mark = await markProgress(stage)
  const recovered = recovery(stage, mark)
  // It is awaited when the whole load is through.
  recovered.catch(() => undefined)
  return { mark, recovered }
}

/** Events that the load still had to bring. Asked when it is through. */
export async function loadInFlight(stage: Stage, mark: ProgressMark): Promise<number> {
  const pipeline = await stage.system.client('pipeline')
  const { rows } = await pipeline.query<{ last: string | null }>(
    `SELECT max(c.last_position)::text AS last FROM event_commits c JOIN lanes l USING (lane)
     WHERE l.lane_name = $1 AND c.kind = 'chunk'`,
    [LANE],
  )
  return Number(rows[0]?.last ?? 0) - mark.applied
}

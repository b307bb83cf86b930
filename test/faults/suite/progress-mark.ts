/** How far everything was at a moment, and how long it took to go on from there. */
import { LANE, type Stage } from './stage.ts'

export interface ProgressMark {
  /** Milliseconds since 1970, of this machine. */
  readonly at: number
  /** Position of the lane in the store. */
  readonly stored: number
  /** The least position that any service has applied. */
  readonly applied: number
  /** Position that each service has applied. */
  readonly appliedBy: ReadonlyMap<string, number>
}

/** @param at the moment that it tells of: a process that had ended by then can not have moved since */
export async function markProgress(stage: Stage, at = Date.now()): Promise<ProgressMark> {
  const { system } = stage
  const stored = system.storedPosition(LANE)
  const appliedBy = new Map(
    await Promise.all(system.services.map(async (service) => [service, await system.appliedPosition(service, LANE)] as const)),
  )
  return { at, stored: await stored, applied: Math.min(...appliedBy.values()), appliedBy }
}

/**
 * Waits until every service has applied an event that was stored after the mark, and with it all that were on their way. There may be
 * many of them; what must not be is that the slowest service stands still.
 *
 * @returns milliseconds since the mark
 */
export async function recovery(stage: Stage, mark: Pick<ProgressMark, 'at' | 'stored'>): Promise<number> {
  for (let applied = await leastApplied(stage); applied <= mark.stored;) {
    applied = await stage.until('the slowest service to go on after the fault', async () => {
      const now = await leastApplied(stage)
      return now > applied && now
    })
  }
  return Date.now() - mark.at
}

export async function leastApplied(stage: Stage): Promise<number> {
  const { system } = stage
  return Math.min(...(await Promise.all(system.services.map((service) => system.appliedPosition(service, LANE)))))
}

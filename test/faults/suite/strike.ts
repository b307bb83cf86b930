/** One way to break something. */
import type { ProgressMark } from './progress-mark.ts'
import type { Seed } from './seed.ts'
import type { Stage } from './stage.ts'

export interface Struck {
  /** Made when the fault struck. */
  readonly mark: ProgressMark
  /** Name of the process that it ended: then what counts is what was on its way to that one. */
  readonly victim?: string
  /** Events that were on their way to what it ended, where that is none of the pipeline's processes. */
  readonly inFlight?: number
  /** What it struck, where the kind leaves that open. */
  readonly place?: string
  /** Puts back what the fault changed; called when things go on under it, which is waited for once more then. */
  readonly putBack?: () => void | Promise<void>
}

/**
 * Strikes, and heals what does not heal by itself: from then on progress is awaited.
 *
 * @param seed decides what the kind leaves open
 * @throws Error where it could not strike
 */
export type Strike = (stage: Stage, seed: Seed) => Promise<Struck>

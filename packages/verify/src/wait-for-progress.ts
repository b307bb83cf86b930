/**
 * Waits until a stage that another process moves is far enough. The stages meet in databases only, so it is looked at
 * again and again; the wait ends when the goal is reached, when nothing moved for `stallMs`, or after `totalMs`.
 */
import { setTimeout as delay } from 'node:timers/promises'

export interface ProgressWait<State> {
  readonly look: () => Promise<State>
  readonly isReached: (state: State) => boolean
  /** Text that changes whenever the stage moved. */
  readonly measure: (state: State) => string
  readonly pollMs: number
  readonly stallMs: number
  readonly totalMs: number
  readonly signal: AbortSignal
  /** Error of a wait that was given up. */
  readonly tooLate: (state: State, standsForMs: number) => Error
  readonly onMoved?: (state: State) => void
}

export async function waitForProgress<State>(wait: ProgressWait<State>): Promise<State> {
  const startedAt = performance.now()
  let movedAt = startedAt
  let measured: string | null = null
  for (;;) {
    wait.signal.throwIfAborted()
    const state = await wait.look()
    if (wait.isReached(state)) return state
    const now = performance.now()
    const measure = wait.measure(state)
    if (measure !== measured) {
      movedAt = now
      measured = measure
      wait.onMoved?.(state)
    }
    if (now - movedAt > wait.stallMs || now - startedAt > wait.totalMs) throw wait.tooLate(state, now - movedAt)
    await delay(wait.pollMs, undefined, { signal: wait.signal })
  }
}

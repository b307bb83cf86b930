import { pause } from './connection.ts'

/** Time behind the pace that is not made up for: after an outage the load goes on, it does not come as a flood. */
const DEBT_MAX_MS = 1_000

/** Keeps a rate of rows: waits after each transaction until its rows are due. */
export class Pace {
  readonly #rowsPerMs: number
  #dueAt = performance.now()

  constructor(ratePerSecond: number | 'unlimited') {
    if (ratePerSecond !== 'unlimited' && !(ratePerSecond > 0)) {
      throw new RangeError(`a rate must be above 0, it is ${ratePerSecond}`)
    }
    this.#rowsPerMs = ratePerSecond === 'unlimited' ? Infinity : ratePerSecond / 1000
  }

  async after(rows: number, signal: AbortSignal): Promise<void> {
    const now = performance.now()
    this.#dueAt = Math.max(this.#dueAt, now - DEBT_MAX_MS) + rows / this.#rowsPerMs
    if (this.#dueAt > now) await pause(this.#dueAt - now, signal)
  }
}

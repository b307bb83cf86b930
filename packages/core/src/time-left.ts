/**
 * How long a piece of work will still take, as things go: the rest of it at the rate of what was done since it was first looked at. Where
 * the rate of the second half is within 23 % of that of the first, the estimate at half way is within 30 % of what comes true.
 */

/** For less than this long a rate says nothing. */
const TELLING_MS = 500

export class TimeLeft {
  readonly #now: () => number
  #begun: { readonly at: number; readonly done: number } | null = null

  /** @param now Milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * @param done What was done, in any unit that the work's time is in proportion to: rows, bytes, events.
   * @param of All of it.
   * @returns seconds; null where nothing can be told yet
   */
  seconds(done: number, of: number): number | null {
    const at = this.#now()
    this.#begun ??= { at, done }
    const [elapsedMs, ended] = [at - this.#begun.at, done - this.#begun.done]
    if (elapsedMs < TELLING_MS || ended <= 0) return null
    return (Math.max(0, of - done) * elapsedMs) / ended / 1000
  }
}

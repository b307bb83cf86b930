/**
 * How old what a replica shows may be. The primary's WAL position is noted with the time before it was asked for; once the replica
 * has replayed that position, it has all that was committed until then. So the lag is known whatever the servers' clocks say, and
 * an idle primary does not look like a replica that is behind.
 *
 * R1  The proven moment never moves back, and a lag is never shown smaller than it is.
 */
import type { Lsn } from '@sluice/core'

/** A replica that stands still for long is proven in larger steps. */
const SAMPLES_MAX = 600

interface Sample {
  readonly atMs: number
  readonly lsn: Lsn
}

export class ReplicaLag {
  #samples: Sample[] = []
  #provenMs = -Infinity

  /** @param atMs A time before the primary was asked. */
  primaryAt(atMs: number, lsn: Lsn): void {
    if (this.#samples.length >= SAMPLES_MAX) this.#samples = this.#samples.filter((_, index) => index % 2 === 0)
    this.#samples.push({ atMs, lsn })
  }

  replayed(lsn: Lsn): void {
    const proven = this.#samples.findLast((sample) => sample.lsn <= lsn)
    if (proven === undefined) return
    this.#provenMs = Math.max(this.#provenMs, proven.atMs)
    this.#samples = this.#samples.filter((sample) => sample.atMs > proven.atMs)
  }

  /** Infinity until it is known. */
  lagMs(nowMs: number): number {
    return nowMs - this.#provenMs
  }
}

/**
 * Stops a lane whose events are refused in numbers, as after a wrong migration, before all of them are parked.
 *
 * States: closed → open (a transaction would park too many) → after a delay the same transaction is tried again → closed | open.
 *
 * B1  The transaction that opens it is rolled back: its events are neither applied nor parked.
 * B2  Counted are events that were refused for themselves, by aggregate type. Those that wait behind one are not, so that a bad
 *     event of a busy key stays the matter of its key.
 */
import { SluiceError } from '@sluice/core'

export interface BreakerLimits {
  /** It never opens for fewer refused events of one aggregate type. @default 100 */
  readonly refusedMin: number
  /** Refused events among those that were tried, from 0 to 1. @default 0.5 */
  readonly refusedShare: number
}

/** Events of one aggregate type that were tried. */
export interface Tried {
  readonly applied: number
  readonly refused: number
}

/** Tried events of a type after which the older ones count half. */
const WINDOW_EVENTS = 2_000

export class ParkingBreaker {
  readonly #service: string
  readonly #laneName: string
  readonly #limits: BreakerLimits
  readonly #window = new Map<string, Tried>()

  constructor(service: string, laneName: string, limits: BreakerLimits) {
    this.#service = service
    this.#laneName = laneName
    this.#limits = limits
  }

  /** True while nothing refused is remembered. */
  get isQuiet(): boolean {
    return this.#window.size === 0
  }

  /** True if so many more refused events might open it: then the others are worth counting. */
  isNear(aggregateType: string, refused: number): boolean {
    return refused + (this.#window.get(aggregateType)?.refused ?? 0) >= this.#limits.refusedMin
  }

  /**
   * @param tried What the open transaction has done with events of the type.
   * @throws SluiceError SLU-5023
   */
  check(aggregateType: string, tried: Tried): void {
    const { applied, refused } = sum(this.#window.get(aggregateType), tried)
    const { refusedMin, refusedShare } = this.#limits
    if (refused < refusedMin || refused < (applied + refused) * refusedShare) return
    throw new SluiceError('TOO_MANY_PARKED', {
      what: `service "${this.#service}" refuses the events of ${aggregateType}, so lane ${this.#laneName} stands still`,
      why: `${refused} of the last ${applied + refused} were refused; the rest are not parked but wait`,
      ways: [
        `sluice parked list ${this.#service}    shows what was refused first, and why; then mend the service's table or projection: the lane goes on by itself`,
        `sluice parked retry ${this.#service} --all    afterwards, for those that are parked`,
      ],
    })
  }

  /** After the transaction was committed. */
  add(tried: ReadonlyMap<string, Tried>): void {
    for (const [aggregateType, more] of tried) {
      const { applied, refused } = sum(this.#window.get(aggregateType), more)
      const scale = applied + refused > WINDOW_EVENTS ? 0.5 : 1
      if (refused * scale < 1) this.#window.delete(aggregateType)
      else this.#window.set(aggregateType, { applied: applied * scale, refused: refused * scale })
    }
  }

  /** The lane goes on after it stood: what was before does not count. */
  reset(): void {
    this.#window.clear()
  }
}

function sum(a: Tried | undefined, b: Tried): Tried {
  return { applied: (a?.applied ?? 0) + b.applied, refused: (a?.refused ?? 0) + b.refused }
}

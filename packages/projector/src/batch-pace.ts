/**
 * How much one transaction applies, so that it takes about as long as wanted however slow a handler or the line is: rows of the
 * service stay locked no longer than that, a killed projector has little to do again, and its progress shows. It learns from the
 * transactions before; sets of rows are so fast that their batches stay whole.
 */
import { positionNumber } from '@sluice/core'
import { type Batch, type BatchEvent, splitBatch } from './batch.ts'

/** Before anything is known: what a handler does in about a second. */
const FIRST_EVENTS = 1_000
const LEAST_EVENTS = 10

export class BatchPace {
  readonly #wantedMs: number
  #eventsMax = FIRST_EVENTS

  constructor(wantedMs: number) {
    this.#wantedMs = wantedMs
  }

  /** The part of a batch that is to be one transaction. It ends where a source commit ends, so a large commit stays whole. */
  cut(batch: Batch): { readonly part: Batch; readonly rest: Batch | null } {
    const through = lastPosition(batch.events, this.#eventsMax)
    return through === null ? { part: batch, rest: null } : splitBatch(batch, positionNumber(through))
  }

  /** @param events that a transaction applied @param ms that it took */
  learn(events: number, ms: number): void {
    if (events === 0) return
    const inTime = Math.max(LEAST_EVENTS, Math.floor((events * this.#wantedMs) / Math.max(ms, 1)))
    if (ms > this.#wantedMs) this.#eventsMax = Math.min(this.#eventsMax, inTime)
    // A small transaction says little about a large one: it is believed up to twice its size.
    else this.#eventsMax = Math.max(this.#eventsMax, Math.min(inTime, events * 2))
  }
}

/**
 * The highest position up to the last place within `max` events where a batch can be cut, else up to the first one after it; null if
 * there is none before its end. At such a place a source commit ends, and everything before has a lower position than everything
 * after. An event that the relay published late keeps its old position, behind newer ones: there is no such place in front of it.
 */
function lastPosition(events: readonly BatchEvent[], max: number): bigint | null {
  if (events.length <= max) return null
  const leastAfter = leastPositions(events)
  let last: bigint | null = null
  let highest = -1n
  for (const [i, { event }] of events.entries()) {
    if (i >= max && last !== null) return last
    const next = events[i + 1]?.event
    if (event.position > highest) highest = event.position
    if (next && next.commitLsn !== event.commitLsn && leastAfter[i + 1]! > highest) last = highest
  }
  return last
}

/** For each event the least position from it on. */
function leastPositions(events: readonly BatchEvent[]): readonly bigint[] {
  const least: bigint[] = []
  for (let i = events.length - 1; i >= 0; i -= 1) {
    const { position } = events[i]!.event
    const after = least[i + 1]
    least[i] = after !== undefined && after < position ? after : position
  }
  return least
}

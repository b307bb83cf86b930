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
    const end = commitEnd(batch.events, this.#eventsMax)
    const last = batch.events[end - 1]
    return last && end < batch.events.length
      ? splitBatch(batch, positionNumber(last.event.position))
      : { part: batch, rest: null }
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

/** Number of events up to the last end of a source commit within `max`, else up to the first one after it. */
function commitEnd(events: readonly BatchEvent[], max: number): number {
  const isEnd = (count: number): boolean => events[count - 1]?.event.commitLsn !== events[count]?.event.commitLsn
  let end = Math.min(max, events.length)
  while (end > 0 && !isEnd(end)) end -= 1
  if (end > 0) return end
  end = Math.min(max, events.length)
  while (end < events.length && !isEnd(end)) end += 1
  return end
}

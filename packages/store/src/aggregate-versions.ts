/**
 * Gives the events of a batch their versions: one statement moves the head row of every aggregate in it by the number of
 * its events.
 */
import type { EventDraft } from '@sluice/core'

/** Counts events per aggregate and then hands out the versions in order. */
export class AggregateVersions {
  /** Aggregate to its slot, by type and then id: no text is put together for a look-up. */
  readonly #slots = new Map<string, Map<string, number>>()
  readonly #ids: string[] = []
  readonly #typeNumbers: number[] = []
  readonly #types: string[] = []
  readonly #counts: number[] = []
  /** Slot of each event, in order. */
  readonly #eventSlots: number[] = []
  #next: number[] = []
  #taken = 0

  add(event: Pick<EventDraft, 'aggregateType' | 'aggregateId'>): void {
    let ofType = this.#slots.get(event.aggregateType)
    if (!ofType) {
      ofType = new Map<string, number>()
      this.#slots.set(event.aggregateType, ofType)
      this.#types.push(event.aggregateType)
    }
    let slot = ofType.get(event.aggregateId)
    if (slot === undefined) {
      slot = this.#ids.length
      ofType.set(event.aggregateId, slot)
      this.#ids.push(event.aggregateId)
      this.#typeNumbers.push(this.#slots.size === 1 ? 1 : this.#types.indexOf(event.aggregateType) + 1)
      this.#counts.push(0)
    }
    this.#counts[slot]! += 1
    this.#eventSlots.push(slot)
  }

  get events(): number {
    return this.#eventSlots.length
  }

  /** Parameters of the heads statement: ids, types, each id's type (from 1), each id's events. */
  parameters(): readonly [string, readonly string[], string, string] {
    return [arrayOf(this.#ids), this.#types, arrayOf(this.#typeNumbers), arrayOf(this.#counts)]
  }

  /** @param last The statement's answer: last version of each aggregate, in the order of the parameters. */
  setLast(last: readonly number[]): void {
    if (last.length !== this.#counts.length) {
      throw new RangeError(`${this.#counts.length} aggregates were asked for, ${last.length} heads came back`)
    }
    this.#next = last.map((version, slot) => version - this.#counts[slot]! + 1)
  }

  /** Version of the next event, in the order of `add`. */
  take(): number {
    const slot = this.#eventSlots[this.#taken++]!
    return this.#next[slot]!++
  }
}

/** Array literal of values that need no quoting: uuids and numbers. */
export function arrayOf(values: readonly (string | number | bigint)[]): string {
  return `{${values.join(',')}}`
}

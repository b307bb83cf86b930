/**
 * Gives the events of a batch their versions: one statement moves the head row of every aggregate in it by the number of
 * its events, and notes where the last image of its row is.
 */
import type { EventDraft } from '@sluice/core'
import { imageEffect } from './row-image.ts'

/** Counts events per aggregate and then hands out the versions in order. */
export class AggregateVersions {
  /** Aggregate to its slot, by type and then id: no text is put together for a look-up. */
  readonly #slots = new Map<string, Map<string, number>>()
  readonly #ids: string[] = []
  readonly #typeNumbers: number[] = []
  readonly #types: string[] = []
  readonly #counts: number[] = []
  /** Place of the aggregate's last image among the batch's events, from 1 on; 0 where the row is gone; null: it has none here. */
  readonly #images: (number | null)[] = []
  /** Slot of each event, in order. */
  readonly #eventSlots: number[] = []
  #next: number[] = []
  #taken = 0

  add(event: Pick<EventDraft, 'aggregateType' | 'aggregateId' | 'eventData' | 'update'>): void {
    const { aggregateType, aggregateId, update } = event
    const slot = this.#slotOf(aggregateType, aggregateId)
    this.#counts[slot]! += 1
    this.#eventSlots.push(slot)
    const effect = imageEffect(event)
    if (effect === 'none') return
    const place = this.#eventSlots.length
    this.#images[slot] = effect === 'kept' ? place : 0
    if (update && update.movedTo !== null) this.#images[this.#slotOf(aggregateType, update.movedTo)] = place
  }

  get events(): number {
    return this.#eventSlots.length
  }

  /** Parameters of the heads statement: ids, types, each id's type (from 1), events and image. */
  parameters(): readonly [string, readonly string[], string, string, string] {
    const images = this.#images.map((place) => place ?? 'NULL')
    return [arrayOf(this.#ids), this.#types, arrayOf(this.#typeNumbers), arrayOf(this.#counts), arrayOf(images)]
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

  #slotOf(type: string, id: string): number {
    let ofType = this.#slots.get(type)
    if (!ofType) {
      ofType = new Map<string, number>()
      this.#slots.set(type, ofType)
      this.#types.push(type)
    }
    const known = ofType.get(id)
    if (known !== undefined) return known
    const slot = this.#ids.length
    ofType.set(id, slot)
    this.#ids.push(id)
    this.#typeNumbers.push(this.#slots.size === 1 ? 1 : this.#types.indexOf(type) + 1)
    this.#counts.push(0)
    this.#images.push(null)
    return slot
  }
}

/** Array literal of values that need no quoting: uuids and numbers. */
export function arrayOf(values: readonly (string | number | bigint)[]): string {
  return `{${values.join(',')}}`
}

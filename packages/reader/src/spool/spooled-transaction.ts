/**
 * What came of one transaction in progress, without the parts that were rolled back.
 *
 * Messages come in the order of the WAL. So from the first message of a sub-transaction until its rollback everything is its own, or
 * that of others that are rolled back with it: a rollback is a cut.
 *
 * S1  What is kept is what PostgreSQL would send at the commit with protocol version 1, in the same order.
 * S2  One thing can not be told from the stream: PostgreSQL gives every logical message the xid of the whole transaction. One of
 *     Sluice's own that came right before a part that is rolled back may belong to it, or not. It is *doubtful* as long as nothing
 *     was kept after it; a transaction that has a doubtful message when it commits must be read without streaming.
 */
import { FirstPlaces } from './first-places.ts'
import { OWN_PREFIX } from '../assembly/own-prefix.ts'
import { SpoolFile } from './spool-file.ts'
import type { SpoolSpace } from './spool-space.ts'

export class SpooledTransaction {
  readonly #xid: number
  readonly #file: SpoolFile
  readonly #firstPlaces = new FirstPlaces()
  /** Own messages with nothing but own messages after them: from the first's place to the end; null if something else came last. */
  #openRun: number | null = null
  /** Runs of own messages that something followed: places where they begin and end, in order. They may come to the end again. */
  readonly #runs: { readonly start: number; readonly end: number }[] = []
  /** Where the first doubtful run ends; null if there is none. */
  #doubtfulEnd: number | null = null

  constructor(xid: number, space: SpoolSpace) {
    this.#xid = xid
    this.#file = new SpoolFile(space)
  }

  get bufferedBytes(): number {
    return this.#file.bufferedBytes
  }

  get isDoubtful(): boolean {
    return this.#doubtfulEnd !== null
  }

  /**
   * @param xid The sub-transaction, or the transaction itself.
   * @param prefix Of a logical message; null for others.
   */
  add(bytes: Buffer, xid: number, prefix: string | null): void {
    const place = this.#file.end
    if (prefix !== null) {
      if (prefix.startsWith(OWN_PREFIX)) this.#openRun ??= place
    } else {
      if (this.#openRun !== null) this.#runs.push({ start: this.#openRun, end: place })
      this.#openRun = null
      if (xid === this.#xid) this.#noneIsOpen()
      else this.#firstPlaces.note(xid, place)
    }
    this.#file.append(bytes)
  }

  /** A sub-transaction was rolled back. */
  rollBack(subXid: number): void {
    const place = this.#firstPlaces.take(subXid)
    if (place !== null && place < this.#file.end) this.#cut(place)
    // Whatever the sub-transaction wrote besides is not in the stream; a message may be all of it.
    if (this.#openRun !== null) this.#doubtfulEnd ??= this.#file.end
  }

  blocks(): Generator<readonly Buffer[], void> {
    return this.#file.blocks()
  }

  release(): void {
    this.#file.release()
  }

  close(): void {
    this.#file.close()
  }

  #cut(place: number): void {
    this.#file.cut(place)
    if (this.#openRun !== null && this.#openRun >= place) this.#openRun = null
    while (this.#runs.length > 0 && this.#runs.at(-1)!.start >= place) this.#runs.pop()
    const last = this.#runs.at(-1)
    if (last && last.end >= place) {
      this.#openRun = last.start
      this.#runs.pop()
    }
    if (this.#doubtfulEnd !== null && this.#doubtfulEnd > place) this.#doubtfulEnd = null
  }

  /** The transaction itself wrote: no sub-transaction is open, and none of before can be rolled back alone any more. */
  #noneIsOpen(): void {
    this.#firstPlaces.clear()
    this.#runs.length = 0
  }
}

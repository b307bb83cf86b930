/**
 * Where a backfill and the stream meet: what the stream changed, and the chunk that waits for its high mark.
 *
 *   no chunk ──hold──▶ held ──(its mark in the stream)──▶ queued ──(stored)──▶ no chunk
 *                       └──(withdrawn, or the changed keys are lost)──▶ no chunk
 *
 * B1  A chunk takes its place in the stream exactly where its high mark stands, and without the rows that a commit changed which
 *     the chunk's query does not see. So each of its rows is the row at the mark.
 * B2  A mark that nobody waits for, of another process or an earlier attempt, means nothing.
 */
import type { Lsn } from '@sluice/core'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { QueuedChunk } from '../lane/batch-queue.ts'
import type { StreamWatch } from '../assembly/transaction-assembler.ts'
import { ChangedKeys, type UnseenChanges } from './changed-keys.ts'
import type { VisibleTransactions } from './visible-transactions.ts'

/** `again`: what the stream changed meanwhile is not known any more, so the chunk is no use. */
export type ChunkOutcome = 'stored' | 'again'

/** Makes the chunk's events from what is left of it. */
export type ReleaseChunk = (unseen: UnseenChanges, markLsn: Lsn) => Omit<QueuedChunk, 'onStored'>

interface HeldChunk {
  readonly mark: string
  readonly release: ReleaseChunk
  readonly outcome: PromiseWithResolvers<ChunkOutcome>
  isQueued: boolean
}

export class BackfillWatch implements StreamWatch {
  readonly #keys: ChangedKeys
  readonly #queueChunk: (chunk: QueuedChunk) => void
  #table: string | null = null
  #held: HeldChunk | null = null
  #isClosed = false

  constructor(keysBytesMax: number, queueChunk: (chunk: QueuedChunk) => void) {
    this.#keys = new ChangedKeys(keysBytesMax)
    this.#queueChunk = queueChunk
  }

  /** True if what the stream changes is not known whole: then `begin` has to be called before a chunk is read. */
  get isLost(): boolean {
    return this.#keys.isLost
  }

  /**
   * Follows a table from here on. Chunks may be read once a query sees every transaction that is older than this call: the stream
   * may have told of those before.
   */
  begin(table: CapturedTable): void {
    this.#table = qualifiedName(table)
    this.#keys.begin()
  }

  end(): void {
    this.#table = null
    this.#held = null
    this.#keys.end()
  }

  saw(visible: VisibleTransactions): void {
    this.#keys.saw(visible)
  }

  /** Holds a chunk, whose query was told with `saw`, until its mark comes; call it before the mark is written. */
  hold(mark: string, release: ReleaseChunk): Promise<ChunkOutcome> {
    const outcome = Promise.withResolvers<ChunkOutcome>()
    if (this.#isClosed) outcome.resolve('again')
    else this.#held = { mark, release, outcome, isQueued: false }
    return outcome.promise
  }

  /** The stream ended: no mark comes any more. */
  close(): void {
    this.#isClosed = true
    this.#held?.outcome.resolve('again')
    this.end()
  }

  /** Gives a held chunk up, whose mark may not have been written. False if its mark came already: then it is stored. */
  withdraw(): boolean {
    if (this.#held?.isQueued === true) return false
    this.#held = null
    return true
  }

  commit(xid: number): void {
    if (this.#table !== null) this.#keys.commit(xid)
  }

  changed(table: CapturedTable, key: readonly string[], isWhole: boolean): void {
    if (this.#isWatched(table)) this.#keys.change(key, isWhole)
  }

  moved(table: CapturedTable, oldKey: readonly string[], newKey: readonly string[], isWhole: boolean): void {
    if (this.#isWatched(table)) this.#keys.move(oldKey, newKey, isWhole)
  }

  truncated(table: CapturedTable): void {
    if (this.#isWatched(table)) this.#keys.truncate()
  }

  mark(text: string, lsn: Lsn): void {
    const held = this.#held
    if (held?.mark !== text || held.isQueued) return
    if (this.#keys.isLost) {
      this.#held = null
      held.outcome.resolve('again')
      return
    }
    try {
      const chunk = held.release(this.#keys.unseen(), lsn)
      held.isQueued = true
      this.#queueChunk({
        ...chunk,
        onStored: () => {
          this.#held = null
          held.outcome.resolve('stored')
        },
      })
    } catch (error) {
      // A row that can not be captured ends the backfill, not the stream.
      this.#held = null
      held.outcome.reject(error)
    }
  }

  #isWatched(table: CapturedTable): boolean {
    return this.#table !== null && qualifiedName(table) === this.#table
  }
}

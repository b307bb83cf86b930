/**
 * What was read and is not yet with the store: complete commits, and the commit that is being read.
 *
 * One batch fills here while the store writes the one that was taken before. `isFull` tells the reader to pause its socket;
 * what is still in the socket's buffer (64 KiB) comes in all the same.
 *
 * Q1  Events leave in the order they came, and a commit's parts follow each other.
 * Q2  Of a commit that is still being read, events leave only if they fill a batch, and never the last one: so the part with
 *     `isLast` always has an event.
 * Q3  A commit's stragglers leave with its last part.
 */
import { type EpochMicros, type EventDraft, LSN_ZERO, type Lsn } from '@sluice/core'
import type { AppendPart } from '@sluice/store'
import type { Straggler } from './loaded-part.ts'

export interface BatchLimits {
  readonly batchEventsMax: number
  readonly batchBytesMax: number
}

export interface Batch {
  readonly parts: readonly AppendPart[]
  /** Keys whose rows must be read again, to be recorded in the same transaction. */
  readonly stragglers: readonly Straggler[]
  readonly events: number
  readonly bytes: number
  /** Commits that end in this batch. */
  readonly commits: number
  readonly commitLsn: Lsn
  readonly committedAt: EpochMicros
  /** Everything below is in this batch or before; `LSN_ZERO` inside of a commit. */
  readonly endLsn: Lsn
}

interface OpenCommit {
  readonly commitLsn: Lsn
  readonly committedAt: EpochMicros
  events: EventDraft[]
  bytes: number
  /** Bytes of the last event. */
  lastBytes: number
  /** True once a part of it was taken. */
  isContinued: boolean
}

interface ReadyCommit {
  readonly part: AppendPart
  readonly bytes: number
  readonly stragglers: readonly Straggler[]
}

export class BatchQueue {
  readonly #limits: BatchLimits
  #ready: ReadyCommit[] = []
  #open: OpenCommit | null = null
  #events = 0
  #bytes = 0

  constructor(limits: BatchLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#events >= this.#limits.batchEventsMax || this.#bytes >= this.#limits.batchBytesMax
  }

  /** True while a part of the open commit is with the store, which then holds a transaction open. */
  get isInsideCommit(): boolean {
    return this.#open?.isContinued === true
  }

  openCommit(commitLsn: Lsn, committedAt: EpochMicros): void {
    this.#open = { commitLsn, committedAt, events: [], bytes: 0, lastBytes: 0, isContinued: false }
  }

  add(event: EventDraft, bytes: number): void {
    const open = this.#open!
    open.events.push(event)
    open.bytes += bytes
    open.lastBytes = bytes
    this.#events += 1
    this.#bytes += bytes
  }

  /** @returns false if the commit holds nothing for this lane: then it moves the position only. */
  closeCommit(endLsn: Lsn, stragglers: readonly Straggler[]): boolean {
    const open = this.#open!
    this.#open = null
    if (open.events.length === 0 && stragglers.length === 0) return false
    const { commitLsn, committedAt, events, bytes } = open
    const part: AppendPart = { commit: { kind: 'commit', commitLsn, endLsn, committedAt }, events, isLast: true }
    this.#ready.push({ part, bytes, stragglers })
    return true
  }

  /** The complete commits; or, if there is none and the open one fills a batch, a part of it. */
  take(): Batch | null {
    return this.#takeReady() ?? (this.isFull ? this.#takePart() : null)
  }

  #takeReady(): Batch | null {
    const last = this.#ready.at(-1)
    if (!last) return null
    const ready = this.#ready
    this.#ready = []
    const events = ready.reduce((sum, r) => sum + r.part.events.length, 0)
    const bytes = ready.reduce((sum, r) => sum + r.bytes, 0)
    this.#events -= events
    this.#bytes -= bytes
    const { commitLsn, committedAt, endLsn } = last.part.commit
    return {
      parts: ready.map((r) => r.part).filter((part) => part.events.length > 0),
      stragglers: ready.flatMap((r) => r.stragglers),
      events,
      bytes,
      commits: ready.length,
      commitLsn,
      committedAt,
      endLsn,
    }
  }

  #takePart(): Batch | null {
    const open = this.#open
    if (!open || open.events.length < 2) return null
    const kept = open.events.pop()!
    const { events, commitLsn, committedAt } = open
    const bytes = open.bytes - open.lastBytes
    open.events = [kept]
    open.bytes = open.lastBytes
    open.isContinued = true
    this.#events -= events.length
    this.#bytes -= bytes
    // The end of the commit record is not known before the last part.
    const part: AppendPart = { commit: { kind: 'commit', commitLsn, endLsn: LSN_ZERO, committedAt }, events, isLast: false }
    return { parts: [part], stragglers: [], events: events.length, bytes, commits: 0, commitLsn, committedAt, endLsn: LSN_ZERO }
  }
}

/**
 * What was read and is not yet with the store: complete commits, and the commit that is being read.
 *
 * One batch fills here while the store writes the one that was taken before. `isFull` tells the reader to pause its socket;
 * what is still in the socket's buffer (64 KiB), and a chunk of a backfill (`chunkBytesMax`) whose place has come, come in all the same.
 *
 * Q1  Events leave in the order they came, and a commit's parts follow each other.
 * Q2  Of a commit that is still being read, events leave only if they fill a batch, and never the last one: so the part with
 *     `isLast` has an event wherever the commit has one.
 * Q3  A commit's stragglers leave with its last part, and its parked messages with the part they came in: so the position passes
 *     them in the transaction that stores them.
 */
import { type EpochMicros, type EventDraft, LSN_ZERO, type Lsn, epochMicros } from '@sluice/core'
import type { AppendPart, ParkedMessage, UnknownMessageRecord } from '@sluice/store'
import type { ClientBase } from 'pg'
import type { Straggler } from '../assembly/loaded-part.ts'

export interface BatchLimits {
  readonly batchEventsMax: number
  readonly batchBytesMax: number
}

/** Rows of a backfill, which have their place in the stream. */
export interface QueuedChunk {
  /** Its events may be none. */
  readonly part: AppendPart
  readonly bytes: number
  /** Runs in the transaction that stores the events. */
  readonly save: (client: ClientBase) => Promise<void>
  readonly onStored: () => void
}

export interface Batch {
  readonly parts: readonly AppendPart[]
  /** Keys whose rows must be read again, to be recorded in the same transaction. */
  readonly stragglers: readonly Straggler[]
  /** Messages of an unknown kind, to be recorded in the same transaction. */
  readonly parked: readonly ParkedMessage[]
  /** Of backfills, to be saved in the same transaction. */
  readonly chunks: readonly QueuedChunk[]
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
  parked: ParkedMessage[]
  /** Messages that were parked of it, also those that were taken. */
  parkedCount: number
}

interface ReadyCommit {
  /** Null for messages that were parked between commits. */
  readonly part: AppendPart | null
  readonly bytes: number
  readonly stragglers: readonly Straggler[]
  readonly parked: readonly ParkedMessage[]
  /** Set where it is no commit. */
  readonly chunk: QueuedChunk | null
}

/** Of a batch without commits. */
const NOWHERE = { commitLsn: LSN_ZERO, committedAt: epochMicros(0n), endLsn: LSN_ZERO }

/** What a parked message takes in memory beside its bytes. */
const PARKED_OVERHEAD_BYTES = 200

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

  /** Nothing more should come in. Not before something can be taken: of a commit that is being read the last event stays. */
  get isFull(): boolean {
    const isOver = this.#events >= this.#limits.batchEventsMax || this.#bytes >= this.#limits.batchBytesMax
    return isOver && (this.#ready.length > 0 || this.#hasPart)
  }

  /** True if `take` would give something. */
  get isDue(): boolean {
    return this.#ready.length > 0 || this.isFull
  }

  /** True while a part of the open commit is with the store, which then holds a transaction open. */
  get isInsideCommit(): boolean {
    return this.#open?.isContinued === true
  }

  openCommit(commitLsn: Lsn, committedAt: EpochMicros): void {
    this.#open = {
      commitLsn,
      committedAt,
      events: [],
      bytes: 0,
      lastBytes: 0,
      isContinued: false,
      parked: [],
      parkedCount: 0,
    }
  }

  add(event: EventDraft, bytes: number): void {
    const open = this.#open!
    open.events.push(event)
    open.bytes += bytes
    open.lastBytes = bytes
    this.#events += 1
    this.#bytes += bytes
  }

  /** @param walStart Its place in the WAL, which names it where it stands between commits. */
  park(message: UnknownMessageRecord, walStart: Lsn): void {
    const bytes = (message.message?.length ?? 0) + PARKED_OVERHEAD_BYTES
    const open = this.#open
    this.#bytes += bytes
    if (open) {
      open.parked.push({ lsn: open.commitLsn, place: open.parkedCount, ...message })
      open.parkedCount += 1
      open.bytes += bytes
    } else {
      this.#ready.push({ part: null, bytes, stragglers: [], parked: [{ lsn: walStart, place: 0, ...message }], chunk: null })
    }
  }

  /** @returns false if the commit holds nothing for this lane: then it moves the position only. */
  closeCommit(endLsn: Lsn, stragglers: readonly Straggler[]): boolean {
    const open = this.#open!
    this.#open = null
    const { commitLsn, committedAt, events, bytes, parked } = open
    if (events.length === 0 && stragglers.length === 0 && parked.length === 0 && !open.isContinued) return false
    const part: AppendPart = { commit: { kind: 'commit', commitLsn, endLsn, committedAt }, events, isLast: true }
    this.#ready.push({ part, bytes, stragglers, parked, chunk: null })
    return true
  }

  /** The chunk's place is after every commit that came; none may be open. */
  addChunk(chunk: QueuedChunk): void {
    const { part, bytes } = chunk
    this.#ready.push({ part, bytes, stragglers: [], parked: [], chunk })
    this.#events += part.events.length
    this.#bytes += bytes
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
    const parts = ready.flatMap((r) => r.part ?? [])
    const events = parts.reduce((sum, part) => sum + part.events.length, 0)
    const bytes = ready.reduce((sum, r) => sum + r.bytes, 0)
    this.#events -= events
    this.#bytes -= bytes
    const { commitLsn, committedAt, endLsn } = parts.at(-1)?.commit ?? NOWHERE
    return {
      parts: ready.flatMap((r) => (r.part && (r.part.events.length > 0 || r.parked.length > 0) ? r.part : [])),
      stragglers: ready.flatMap((r) => r.stragglers),
      parked: ready.flatMap((r) => r.parked),
      chunks: ready.flatMap((r) => r.chunk ?? []),
      events,
      bytes,
      commits: parts.filter((part) => part.commit.kind === 'commit').length,
      commitLsn,
      committedAt,
      endLsn,
    }
  }

  get #hasPart(): boolean {
    return this.#open !== null && (this.#open.events.length > 1 || this.#open.parked.length > 0)
  }

  #takePart(): Batch {
    const open = this.#open!
    const { commitLsn, committedAt, parked } = open
    const keeps = open.events.length > 0
    const kept = keeps ? [open.events.pop()!] : []
    const keptBytes = keeps ? open.lastBytes : 0
    const { events } = open
    const bytes = open.bytes - keptBytes
    open.events = kept
    open.bytes = keptBytes
    open.isContinued = true
    open.parked = []
    this.#events -= events.length
    this.#bytes -= bytes
    // The end of the commit record is not known before the last part.
    const part: AppendPart = { commit: { kind: 'commit', commitLsn, endLsn: LSN_ZERO, committedAt }, events, isLast: false }
    return {
      parts: [part],
      stragglers: [],
      parked,
      chunks: [],
      events: events.length,
      bytes,
      commits: 0,
      commitLsn,
      committedAt,
      endLsn: LSN_ZERO,
    }
  }
}

/**
 * Before a resumed load goes on under a new snapshot: the lane's slot is streamed up to the snapshot's LSN, leaving out the
 * changes of rows that are not loaded yet. Then everything stored is exactly as old as the snapshot, and the chunks that
 * follow are neither older nor newer than what is before them.
 *
 *   streaming ──(anything at or past the LSN)──▶ reached ──(all is stored)──▶ the LSN is recorded, the stream closed
 *
 * Transactions are read whole (protocol version 1): one that commits past the LSN is not wanted, so nothing is to be spooled.
 * Messages are held until the source has answered which of their keys are loaded; the socket is paused while it is asked.
 * Killed anywhere, what is stored is a whole number of commits with their stragglers, and the next start does the rest.
 */
import { type Lsn, type SluiceError, lsnOf } from '@sluice/core'
import { type PgoutputMessage, type TransactionMessage, createPgoutputDecoder } from '@sluice/pgoutput'
import { BatchQueue } from '../lane/batch-queue.ts'
import { emitHeartbeat } from '../lane/heartbeat.ts'
import type { LaneSession } from '../lane/lane-session.ts'
import { LaneWriter } from '../lane/lane-writer.ts'
import type { LoadedPart } from '../assembly/loaded-part.ts'
import type { RelationBinder } from '../assembly/relation-binding.ts'
import { type ReplicationStream, openReplicationStream } from '../replication/replication-stream.ts'
import { STOP_GRACE_MS, abortOf, settleWithin } from '../settle-within.ts'
import { WHOLE_TRANSACTIONS } from '../replication/stream-protocol.ts'
import { TransactionAssembler } from '../assembly/transaction-assembler.ts'
import { WholeTransactions } from '../assembly/whole-transactions.ts'
import { hasPrivateColumns, tellParked } from '../lane/unknown-message.ts'

/** Messages that are held at most, beside what is in the socket's buffer. */
const HELD_BYTES_MAX = 1024 * 1024
/** Keys that the source is asked for at a time. */
const HELD_MESSAGES_MAX = 2_000

interface HeldMessage {
  readonly message: TransactionMessage
  readonly walStart: string
}

export interface CatchUpOptions {
  readonly session: LaneSession
  readonly until: Lsn
  readonly loadedPart: LoadedPart
  readonly bind: RelationBinder
}

/** @returns when everything before `until` is stored; at once if the signal aborts. */
export async function catchUp(options: CatchUpOptions, signal: AbortSignal): Promise<void> {
  const { session, until } = options
  if (session.appender.durableLsn >= until) return
  const reading = new CatchUp(options)
  await reading.run(signal)
}

class CatchUp {
  readonly #options: CatchUpOptions
  readonly #writer: LaneWriter
  readonly #assembler: TransactionAssembler
  /** In the order of the WAL before they are held, so that what is asked for ahead is what is handled. */
  readonly #transactions = new WholeTransactions((message, walStart) => {
    this.#hold(message, walStart)
  })
  readonly #failure = Promise.withResolvers<never>()
  #held: HeldMessage[] = []
  #heldBytes = 0
  #isReached = false
  #isStopped = false
  #stream: ReplicationStream | null = null
  #wake: (() => void) | null = null

  constructor(options: CatchUpOptions) {
    const { session } = options
    this.#options = options
    // Whoever is first is told by `run`; a fault that comes after the end has nobody to tell.
    this.#failure.promise.catch(() => undefined)
    const queue = new BatchQueue(session.limits)
    this.#writer = new LaneWriter({
      lane: session.record.lane,
      appender: session.appender,
      queue,
      keepaliveIntervalMs: session.limits.keepaliveIntervalMs,
      onRoom: () => undefined,
      onProgress: session.onProgress,
    })
    this.#assembler = new TransactionAssembler({
      epoch: session.record.epoch,
      sourceEpoch: session.record.sourceEpoch,
      bind: options.bind,
      types: session.types,
      sink: queue,
      loadedPart: options.loadedPart,
      watch: null,
      // `until` is recorded at the end; until then an empty commit may be read again.
      onEmptyCommit: () => undefined,
      onContextRefused: (problem, commitLsn) => {
        session.onProgress({ kind: 'context-refused', problem, commitLsn })
      },
      keepsUnknown: !hasPrivateColumns(session.lane),
      onUnknown: tellParked(session),
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    const { session, until } = this.#options
    const { appender, limits } = session
    const decoder = createPgoutputDecoder()
    this.#stream = await openReplicationStream({
      target: session.source,
      applicationName: session.applicationName,
      slotName: session.lane.slotName,
      publicationName: session.lane.publicationName,
      startLsn: appender.durableLsn,
      feedbackIntervalMs: limits.feedbackIntervalMs,
      silenceMs: limits.silenceMs,
      durableLsn: () => appender.durableLsn,
      protocol: WHOLE_TRANSACTIONS,
      onMessage: (bytes, walStart) => {
        this.#heldBytes += bytes.length
        this.#transactions.add(wholeTransaction(decoder.decode(bytes)), walStart)
      },
      onKeepalive: (walEnd) => {
        if (!this.#transactions.isInCommit && walEnd >= until) this.#reached()
      },
      onFeedback: (lsn) => {
        session.onProgress({ kind: 'feedback', lsn })
      },
      onFailed: (error: SluiceError) => {
        this.#failure.reject(error)
      },
    })
    const work = this.#work()
    try {
      // On an idle source nothing would come that shows the end.
      await emitHeartbeat(session.control)
      await Promise.race([work, this.#failure.promise, abortOf(signal)])
    } finally {
      this.#isStopped = true
      this.#wakeUp()
      this.#stream.pause()
      await settleWithin(work, STOP_GRACE_MS)
      await this.#stream.close()
    }
  }

  /** Nothing at or past `until` is kept: the snapshot does not have it, and the stream comes to it again. */
  #hold(message: TransactionMessage, walStart: string): void {
    if (this.#isReached || this.#isStopped) return
    if (this.#isPastEnd(message)) {
      this.#reached()
      return
    }
    this.#held.push({ message, walStart })
    if (this.#heldBytes >= HELD_BYTES_MAX || this.#held.length >= HELD_MESSAGES_MAX) this.#stream?.pause()
    this.#wakeUp()
  }

  #isPastEnd(message: TransactionMessage): boolean {
    const { until } = this.#options
    if (message.kind === 'begin') return lsnOf(message.commitLsn) >= until
    return message.kind === 'message' && !message.isTransactional && lsnOf(message.lsn) >= until
  }

  #reached(): void {
    this.#isReached = true
    this.#stream?.pause()
    this.#wakeUp()
  }

  async #work(): Promise<void> {
    const { session, until, loadedPart } = this.#options
    for (;;) {
      const isLast = this.#isReached
      const held = this.#held
      this.#held = []
      this.#heldBytes = 0
      await loadedPart.prefetch(
        session.control,
        held.map(({ message }) => message),
      )
      for (const { message, walStart } of held) this.#assembler.handle(message, walStart)
      await this.#writer.drain()
      if (isLast) break
      if (this.#isStopped) return
      this.#stream?.resume()
      await this.#moreMessages()
    }
    await this.#writer.settle(until)
  }

  async #moreMessages(): Promise<void> {
    if (this.#held.length > 0 || this.#isReached || this.#isStopped) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

/** Nothing else comes with protocol version 1. */
function wholeTransaction(message: PgoutputMessage): TransactionMessage {
  switch (message.kind) {
    case 'streamed':
    case 'stream-start':
    case 'stream-stop':
    case 'stream-commit':
    case 'stream-abort':
    case 'begin-prepare':
    case 'prepare':
    case 'stream-prepare':
    case 'commit-prepared':
    case 'rollback-prepared':
      throw new Error(`a message of kind ${message.kind} came without being asked for`)
    default:
      return message
  }
}

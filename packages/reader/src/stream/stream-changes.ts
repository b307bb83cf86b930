/**
 * Streaming: the slot's changes into the store, until the signal aborts.
 *
 *   streamed ──(a transaction with a doubtful message committed)──▶ whole ──(it is stored)──▶ streamed
 *   streamed ──(PostgreSQL could not decode one in progress)──▶ failed; begun again: whole ──(what it had written is stored)──▶ streamed
 *
 * Streamed, large transactions come while they run and are spooled; whole, all come when they committed (protocol version 1). Each
 * has its own connection, and begins with what is stored.
 *
 * The socket's side runs synchronously in the handlers: decode, assemble, queue; full, or while a streamed transaction is handed
 * on, it pauses the socket. The store's side is the writer's loop. Killed anywhere, the slot is at or before what is stored, and
 * PostgreSQL sends the rest again.
 */
import { LSN_ZERO, type Lsn, type SluiceError, formatLsn, isSluiceError } from '@sluice/core'
import { BackfillWatch } from '../backfill/backfill-watch.ts'
import { workOnBackfills } from '../backfill/backfill-worker.ts'
import { BatchQueue } from '../lane/batch-queue.ts'
import { startHeartbeat } from '../lane/heartbeat.ts'
import type { LaneSession } from '../lane/lane-session.ts'
import { LaneWriter } from '../lane/lane-writer.ts'
import { createRelationBinder } from '../assembly/relation-binding.ts'
import { type ReplicationStream, openReplicationStream } from '../replication/replication-stream.ts'
import { STOP_GRACE_MS, abortOf, settleWithin } from '../settle-within.ts'
import { sourceWalEnd } from '../replication/source-wal-end.ts'
import { slotReleased } from '../lane/slot-release.ts'
import { StreamIntake } from './stream-intake.ts'
import { type StreamProtocol, WHOLE_TRANSACTIONS, streamingProtocol } from '../replication/stream-protocol.ts'
import { TransactionAssembler } from '../assembly/transaction-assembler.ts'
import { TransactionSpool } from '../spool/transaction-spool.ts'
import { hasPrivateColumns, tellParked } from '../lane/unknown-message.ts'

/** A transaction that runs on for long makes streaming fail each time until it ends; after so many it is not tried again. */
const STREAMING_FAILURES_MAX = 3

/**
 * @param streamingFailures How often streaming has failed already with SLU-2044: then it begins whole.
 * @throws SluiceError with what ended the stream or the store
 */
export async function streamChanges(session: LaneSession, streamingFailures: number, signal: AbortSignal): Promise<void> {
  const { appender, limits, control } = session
  const mayStream = limits.streamsTransactions && streamingFailures < STREAMING_FAILURES_MAX
  const streaming = mayStream ? await streamingProtocol(control) : WHOLE_TRANSACTIONS
  let wholeUntil = mayStream && streamingFailures > 0 ? await readAgain(session) : LSN_ZERO
  while (!signal.aborted) {
    const isWhole = appender.durableLsn < wholeUntil
    const reading = new StreamReading(session, isWhole ? WHOLE_TRANSACTIONS : streaming, isWhole ? wholeUntil : null)
    wholeUntil = (await runOrRelease(session, reading, signal)) ?? LSN_ZERO
    await slotReleased(session, signal)
  }
}

/** What failed to stream is begun again at once: not before the server has let go of the slot. */
async function runOrRelease(session: LaneSession, reading: StreamReading, signal: AbortSignal): Promise<Lsn | null> {
  try {
    return await reading.run(signal)
  } catch (error) {
    if (isSluiceError(error, 'SOURCE_STREAMING_FAILED')) await slotReleased(session, signal)
    throw error
  }
}

/** Everything that the source has written: the transaction that could not be streamed is in it as far as it has come. */
async function readAgain({ control, onProgress }: LaneSession): Promise<Lsn> {
  const until = await sourceWalEnd(control)
  onProgress({ kind: 'read-again', until })
  return until
}

/** One connection's reading. */
class StreamReading {
  readonly #session: LaneSession
  readonly #protocol: StreamProtocol
  readonly #until: Lsn | null
  readonly #queue: BatchQueue
  readonly #writer: LaneWriter
  readonly #spool: TransactionSpool
  readonly #intake: StreamIntake
  readonly #watch: BackfillWatch
  readonly #failure = Promise.withResolvers<never>()
  readonly #over = Promise.withResolvers<Lsn | null>()
  /** Ends the writer's loop. */
  readonly #ending = new AbortController()
  #stream: ReplicationStream | null = null
  #toldSpoolBytes = 0

  /** @param until Ends when everything below is stored; null: with the signal only. */
  constructor(session: LaneSession, protocol: StreamProtocol, until: Lsn | null) {
    const { record, limits, onProgress } = session
    this.#session = session
    this.#protocol = protocol
    this.#until = until
    // Whoever is first is told by `run`; a fault that comes after the end has nobody to tell.
    this.#failure.promise.catch(() => undefined)
    this.#queue = new BatchQueue(limits)
    this.#spool = new TransactionSpool(limits)
    this.#writer = new LaneWriter({
      lane: record.lane,
      appender: session.appender,
      queue: this.#queue,
      keepaliveIntervalMs: limits.keepaliveIntervalMs,
      onRoom: () => {
        this.#intake.hasRoom()
        this.#pauseOrResume()
      },
      onProgress: (progress) => {
        onProgress(progress)
        this.#endIfReached()
      },
    })
    this.#watch = new BackfillWatch(limits.backfillKeysBytesMax, (chunk) => {
      this.#queue.addChunk(chunk)
    })
    const assembler = new TransactionAssembler({
      epoch: record.epoch,
      sourceEpoch: record.sourceEpoch,
      bind: createRelationBinder(session),
      types: session.types,
      sink: this.#queue,
      loadedPart: null,
      watch: this.#watch,
      onEmptyCommit: (lsn) => {
        this.#writer.offerKeepalive(lsn)
      },
      onContextRefused: (problem, commitLsn) => {
        session.logger.warn({ problem, commitLsn: formatLsn(commitLsn) }, 'a context message can not be used and is left out')
        onProgress({ kind: 'context-refused', problem, commitLsn })
      },
      keepsUnknown: !hasPrivateColumns(session.lane),
      onUnknown: tellParked(session),
    })
    this.#intake = new StreamIntake({
      assembler,
      queue: this.#queue,
      spool: this.#spool,
      onWork: () => {
        this.#work()
      },
      onDoubtful: (endLsn) => {
        this.#over.resolve(endLsn)
      },
      onFailed: this.#failure.reject,
    })
  }

  /** @returns the LSN up to which transactions must be read whole; null if there is none, or the signal aborted. */
  async run(signal: AbortSignal): Promise<Lsn | null> {
    const { control, source, limits } = this.#session
    const stream = await this.#open()
    const stopHeartbeat = startHeartbeat(control, source, limits.heartbeatIntervalMs, this.#failure.reject)
    const ending = AbortSignal.any([signal, this.#ending.signal])
    const writing = this.#writer.run(ending)
    const backfilling = workOnBackfills(this.#session, this.#watch, ending)
    try {
      const over = await Promise.race([this.#over.promise, writing, this.#failure.promise, abortOf(signal)])
      const doubtfulUntil = over ?? null
      if (doubtfulUntil !== null) await this.#storeTheRest(doubtfulUntil, writing)
      return doubtfulUntil
    } finally {
      stopHeartbeat()
      stream.pause()
      this.#ending.abort()
      this.#watch.close()
      await settleWithin(Promise.all([writing, this.#intake.stop(), backfilling]), STOP_GRACE_MS)
      await stream.close()
      this.#spool.close()
    }
  }

  async #open(): Promise<ReplicationStream> {
    const { source, applicationName, lane, limits, appender, onProgress } = this.#session
    const stream = await openReplicationStream({
      target: source,
      applicationName,
      slotName: lane.slotName,
      publicationName: lane.publicationName,
      startLsn: appender.durableLsn,
      feedbackIntervalMs: limits.feedbackIntervalMs,
      silenceMs: limits.silenceMs,
      durableLsn: () => appender.durableLsn,
      protocol: this.#protocol,
      onMessage: (bytes, walStart) => {
        this.#intake.take(bytes, walStart)
        this.#work()
      },
      onKeepalive: (walEnd) => {
        if (this.#intake.isBetweenCommits) this.#writer.offerKeepalive(walEnd)
      },
      onFeedback: (lsn) => {
        onProgress({ kind: 'feedback', lsn })
        this.#tellQueue()
        this.#tellSpool()
      },
      onFailed: (error: SluiceError) => {
        this.#failure.reject(error)
      },
    })
    this.#stream = stream
    this.#pauseOrResume()
    onProgress({ kind: 'connected', lsn: appender.durableLsn })
    return stream
  }

  /** The commits before the doubtful one are whole in the queue. */
  async #storeTheRest(doubtfulUntil: Lsn, writing: Promise<void>): Promise<void> {
    const { logger, onProgress } = this.#session
    logger.info(
      { until: formatLsn(doubtfulUntil) },
      'a large transaction rolled back a part that may hold a context message; it is read again without streaming',
    )
    onProgress({ kind: 'read-again', until: doubtfulUntil })
    this.#ending.abort()
    await writing
    await this.#writer.drain()
  }

  /** The next reading begins with what is stored, so no commit may be half stored. */
  #endIfReached(): void {
    const until = this.#until
    if (until === null || this.#session.appender.durableLsn < until || this.#queue.isInsideCommit) return
    this.#ending.abort()
    this.#over.resolve(null)
  }

  #work(): void {
    if (this.#queue.isDue) this.#writer.wake()
    this.#pauseOrResume()
  }

  #pauseOrResume(): void {
    const stream = this.#stream
    const isPaused = this.#queue.isFull || this.#intake.isBusy
    if (!stream || isPaused === stream.isPaused) return
    if (isPaused) stream.pause()
    else stream.resume()
    this.#tellQueue()
  }

  #tellQueue(): void {
    if (!this.#stream) return
    const { onProgress, limits } = this.#session
    const { isPaused } = this.#stream
    onProgress({ kind: 'queue', bytes: this.#queue.bytes, limitBytes: limits.batchBytesMax, isPaused })
  }

  #tellSpool(): void {
    const { bytes, limitBytes, transactions } = this.#spool
    if (bytes === this.#toldSpoolBytes) return
    this.#toldSpoolBytes = bytes
    this.#session.onProgress({ kind: 'spool', bytes, limitBytes, transactions })
  }
}

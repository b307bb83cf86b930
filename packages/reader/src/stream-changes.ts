/**
 * Streaming: the slot's changes into the store, until the signal aborts.
 *
 * The socket's side runs synchronously in the handlers: decode, assemble, queue; full, it pauses the socket. The store's side
 * is the writer's loop. Killed anywhere, the slot is at or before what is stored, and PostgreSQL sends the rest again.
 */
import type { SluiceError } from '@sluice/core'
import { BatchQueue } from './batch-queue.ts'
import { startHeartbeat } from './heartbeat.ts'
import type { LaneSession } from './lane-session.ts'
import { LaneWriter } from './lane-writer.ts'
import { createRelationBinder } from './relation-binding.ts'
import { type ReplicationStream, openReplicationStream } from './replication-stream.ts'
import { STOP_GRACE_MS, abortOf, settleWithin } from './settle-within.ts'
import { TransactionAssembler } from './transaction-assembler.ts'

/** @throws SluiceError with what ended the stream or the store */
export async function streamChanges(session: LaneSession, signal: AbortSignal): Promise<void> {
  const { lane, record, limits, appender, onProgress } = session
  const queue = new BatchQueue(limits)
  const failure = Promise.withResolvers<never>()
  // Whoever is first is told below; a fault that comes after the end has nobody to tell.
  failure.promise.catch(() => undefined)
  let stream: ReplicationStream | null = null
  const tellQueue = (): void => {
    if (stream) onProgress({ kind: 'queue', bytes: queue.bytes, limitBytes: limits.batchBytesMax, isPaused: stream.isPaused })
  }
  const pauseOrResume = (): void => {
    if (!stream || queue.isFull === stream.isPaused) return
    if (queue.isFull) stream.pause()
    else stream.resume()
    tellQueue()
  }
  const writer = new LaneWriter({
    appender,
    queue,
    keepaliveIntervalMs: limits.keepaliveIntervalMs,
    onRoom: pauseOrResume,
    onProgress,
  })
  const assembler = new TransactionAssembler({
    epoch: record.epoch,
    sourceEpoch: record.sourceEpoch,
    bind: createRelationBinder(session),
    sink: queue,
    loadedPart: null,
    onEmptyCommit: (lsn) => {
      writer.offerKeepalive(lsn)
    },
    onContextRefused: (problem, commitLsn) => {
      session.logger.warn({ problem, commitLsn }, 'a context message can not be used and is left out')
      onProgress({ kind: 'context-refused', problem, commitLsn })
    },
  })
  const opened = await openReplicationStream({
    target: session.source,
    applicationName: session.applicationName,
    slotName: lane.slotName,
    publicationName: lane.publicationName,
    startLsn: appender.durableLsn,
    feedbackIntervalMs: limits.feedbackIntervalMs,
    silenceMs: limits.silenceMs,
    durableLsn: () => appender.durableLsn,
    onMessage: (message) => {
      assembler.handle(message)
      if (message.kind === 'commit' || queue.isFull) writer.wake()
      pauseOrResume()
    },
    onKeepalive: (walEnd) => {
      if (!assembler.isInCommit) writer.offerKeepalive(walEnd)
    },
    onFeedback: (lsn) => {
      onProgress({ kind: 'feedback', lsn })
      tellQueue()
    },
    onFailed: (error: SluiceError) => {
      failure.reject(error)
    },
  })
  stream = opened
  pauseOrResume()
  onProgress({ kind: 'connected', lsn: appender.durableLsn })
  const stopHeartbeat = startHeartbeat(session.control, session.source, limits.heartbeatIntervalMs, failure.reject)
  const ending = new AbortController()
  const writing = writer.run(AbortSignal.any([signal, ending.signal]))
  try {
    await Promise.race([writing, failure.promise, abortOf(signal)])
  } finally {
    stopHeartbeat()
    opened.pause()
    ending.abort()
    await settleWithin(writing, STOP_GRACE_MS)
    await opened.close()
  }
}

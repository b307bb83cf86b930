/**
 * Hands what was read to the store, a batch at a time, and records positions at which nothing was pending.
 *
 * W1  Calls of the appender never overlap, and a batch is taken only when the one before it was written.
 * W2  A keepalive position is recorded only when every commit that came before it was written, and none is half written.
 * W3  Stragglers, and messages of an unknown kind, are saved in the transaction of the commit that brought them; what a backfill
 *     remembers of a chunk, in that of its events.
 */
import { LSN_ZERO, type LaneId, type Lsn, faultPoint } from '@sluice/core'
import { type EventAppender, noteStragglers, parkMessages } from '@sluice/store'
import type { ClientBase } from 'pg'
import type { Batch, BatchQueue } from './batch-queue.ts'
import type { Straggler } from '../assembly/loaded-part.ts'
import type { OnReaderProgress } from '../reader-progress.ts'

export interface LaneWriterOptions {
  readonly lane: LaneId
  readonly appender: EventAppender
  readonly queue: BatchQueue
  readonly keepaliveIntervalMs: number
  /** A batch was taken: there is room again. */
  readonly onRoom: () => void
  readonly onProgress: OnReaderProgress
}

export class LaneWriter {
  readonly #options: LaneWriterOptions
  #keepaliveLsn: Lsn = LSN_ZERO
  #keepaliveAt = Number.NEGATIVE_INFINITY
  #wake: (() => void) | null = null
  /** Something came, or the end was asked for, while nobody waited: the next wait must not miss it. */
  #isWoken = false

  constructor(options: LaneWriterOptions) {
    this.#options = options
  }

  /** Everything that committed before `lsn` was handed to the queue, or held nothing for this lane. */
  offerKeepalive(lsn: Lsn): void {
    if (lsn <= this.#keepaliveLsn) return
    this.#keepaliveLsn = lsn
    this.wake()
  }

  /** Something may be there to write. */
  wake(): void {
    const wake = this.#wake
    this.#wake = null
    if (wake) wake()
    else this.#isWoken = true
  }

  /** Writes until the signal aborts; a batch that is being written is finished first. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => {
      this.wake()
    }
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        if (!(await this.#step())) await this.#idle()
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Writes what the queue gives now; for a caller that does not `run`. */
  async drain(): Promise<void> {
    for (let batch = this.#take(); batch; batch = this.#take()) await this.#write(batch)
  }

  /** Writes the rest, and records `lsn` at once: the caller knows that nothing below it is pending then. */
  async settle(lsn: Lsn): Promise<void> {
    await this.drain()
    await this.#recordKeepalive(lsn)
  }

  async #step(): Promise<boolean> {
    const batch = this.#take()
    if (batch) {
      await this.#write(batch)
      return true
    }
    if (!this.#isKeepaliveDue() || this.#keepaliveDelayMs() > 0) return false
    await this.#recordKeepalive(this.#keepaliveLsn)
    return true
  }

  #take(): Batch | null {
    const batch = this.#options.queue.take()
    if (batch) this.#options.onRoom()
    return batch
  }

  async #write(batch: Batch): Promise<void> {
    faultPoint('reader.before-append')
    const { appender, onProgress, lane } = this.#options
    const { stragglers, parked, chunks } = batch
    const alongside = async (client: ClientBase): Promise<void> => {
      await saveStragglers(client, stragglers)
      await parkMessages(client, lane, parked)
      for (const chunk of chunks) await chunk.save(client)
    }
    if (batch.parts.length > 0) {
      const isAlone = stragglers.length === 0 && parked.length === 0 && chunks.length === 0
      await appender.append(batch.parts, isAlone ? undefined : alongside)
    } else {
      await appender.transact(alongside)
      this.#keepaliveLsn = batch.endLsn > this.#keepaliveLsn ? batch.endLsn : this.#keepaliveLsn
    }
    for (const chunk of chunks) chunk.onStored()
    const { events, bytes, commits, commitLsn, committedAt } = batch
    onProgress({ kind: 'stored', events, bytes, commits, position: appender.position, commitLsn, committedAt })
  }

  async #recordKeepalive(lsn: Lsn): Promise<void> {
    const { appender, onProgress } = this.#options
    if (lsn <= appender.durableLsn) return
    faultPoint('reader.before-keepalive')
    await appender.recordKeepalive(lsn)
    faultPoint('reader.after-keepalive')
    this.#keepaliveAt = performance.now()
    onProgress({ kind: 'keepalive', lsn })
  }

  #isKeepaliveDue(): boolean {
    const { appender, queue } = this.#options
    return this.#keepaliveLsn > appender.durableLsn && !queue.isInsideCommit
  }

  #keepaliveDelayMs(): number {
    return this.#keepaliveAt + this.#options.keepaliveIntervalMs - performance.now()
  }

  /** Waits for `wake`, or for the time at which a keepalive may be recorded. */
  async #idle(): Promise<void> {
    if (this.#isWoken) {
      this.#isWoken = false
      return
    }
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#isKeepaliveDue()) timer = setTimeout(resolve, Math.max(1, this.#keepaliveDelayMs()))
    })
    clearTimeout(timer)
  }
}

async function saveStragglers(client: ClientBase, stragglers: readonly Straggler[]): Promise<void> {
  for (const [migrationId, group] of Map.groupBy(stragglers, (s) => s.migrationId)) {
    await noteStragglers(client, { migrationId, snapshotLsn: group[0]!.snapshotLsn, keys: group.map((s) => s.key) })
  }
}

import { LSN_ZERO, laneId, positionNumber } from '@sluice/core'
import type { EventAppender } from '@sluice/store'
import { expect, test } from 'vitest'
import { BatchQueue } from './batch-queue.ts'
import { LaneWriter } from './lane-writer.ts'

const nothing = (): Promise<never> => Promise.reject(new Error('there is nothing to write'))
const appender: EventAppender = {
  append: nothing,
  recordKeepalive: nothing,
  transact: nothing,
  position: positionNumber(0),
  durableLsn: LSN_ZERO,
  close: () => Promise.resolve(),
}

/** Empty; `onLook` happens while the writer looks for the `at`-th time. */
class WatchedQueue extends BatchQueue {
  looks = 0
  readonly #at: number
  readonly #onLook: () => void

  constructor(at: number, onLook: () => void) {
    super({ batchEventsMax: 1, batchBytesMax: 1 })
    this.#at = at
    this.#onLook = onLook
  }

  override take(): null {
    this.looks += 1
    if (this.looks === this.#at) this.#onLook()
    return null
  }
}

function writerOf(queue: BatchQueue): LaneWriter {
  const ignored = (): void => undefined
  return new LaneWriter({ lane: laneId(1), appender, queue, keepaliveIntervalMs: 1_000, onRoom: ignored, onProgress: ignored })
}

test('an end that is asked for between the last look and the wait is not missed', async () => {
  const ending = new AbortController()
  const queue = new WatchedQueue(1, () => {
    ending.abort()
  })
  await writerOf(queue).run(ending.signal)
  expect(queue.looks).toBe(1)
})

test('work that comes between the last look and the wait is looked at', async () => {
  const ending = new AbortController()
  const looked = Promise.withResolvers<undefined>()
  const queue: WatchedQueue = new WatchedQueue(1, () => {
    writer.wake()
    // Comes after the look that this word brings.
    setImmediate(() => looked.resolve(undefined))
  })
  const writer = writerOf(queue)
  const running = writer.run(ending.signal)
  await looked.promise
  expect(queue.looks).toBe(2)
  ending.abort()
  await running
})

/**
 * Waits for the leader of a partition. The controller tells who leads a new topic a moment before that broker has taken it over, and an
 * old leader refuses until the new one is known: both pass by themselves. kafkajs waits so where it produces and consumes, not where
 * it asks for offsets.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '@sluice/core'
import { isLeaderElsewhere } from './kafka-error.ts'

const LIMIT_MS = 15_000
const BACKOFF = { firstMs: 50, longestMs: 1_000 }

/**
 * @param work Is given the number of the attempt, from 1 on: from the second on it is to ask for new metadata first.
 * @throws the error of `work`: at once if it is another one, else when the leader was waited for long enough
 */
export async function untilLed<Result>(work: (attempt: number) => Promise<Result>): Promise<Result> {
  const startedAt = performance.now()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt)
    } catch (error) {
      if (!isLeaderElsewhere(error) || performance.now() - startedAt > LIMIT_MS) throw error
      await delay(backoffMs(attempt, BACKOFF))
    }
  }
}

/**
 * Writes into the store how far the lane is published, behind Kafka and beside its work: never ahead of a commit, at most one
 * write under way, and what is published meanwhile is put together into the next.
 */
import { faultPoint } from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import { type PublishedBatch, recordPublished } from '@sluice/store'
import type { Pool } from 'pg'

export class ProgressWriter {
  readonly #pool: Pool
  readonly #target: PostgresTarget
  #waiting: PublishedBatch | null = null
  #writing: Promise<void> | null = null
  #failure: Error | null = null

  constructor(pool: Pool, target: PostgresTarget) {
    this.#pool = pool
    this.#target = target
  }

  /** Call after Kafka's commit. @throws what an earlier write failed with */
  add(batch: PublishedBatch): void {
    if (this.#failure !== null) throw this.#failure
    const { first, elapsedMs } = this.#waiting ?? batch
    this.#waiting = { ...batch, first, elapsedMs: Math.max(elapsedMs, batch.elapsedMs) }
    this.#writing ??= this.#drain()
  }

  /** Resolves when everything is written. @throws what a write failed with */
  async flush(): Promise<void> {
    await this.#writing
    if (this.#failure !== null) throw this.#failure
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting !== null) {
        const batch = this.#waiting
        this.#waiting = null
        const client = await this.#pool.connect()
        try {
          await recordPublished(client, batch)
          faultPoint('relay.progress-stored')
        } finally {
          client.release()
        }
      }
    } catch (error) {
      this.#failure = toPostgresError(error, this.#target)
    } finally {
      this.#writing = null
    }
  }
}

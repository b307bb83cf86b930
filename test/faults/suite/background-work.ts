/**
 * What the application does while faults are struck: a steady workload of small transactions (with savepoints, rollbacks, changed
 * keys and outbox events), and beside it transactions of any size up to 100,000 rows.
 */
import demo from '@sluice/medcontracthub/demo'
import type { WorkloadReport } from '@sluice/workload'
import type { TestSystem } from '../../harness/test-system.ts'
import { writeLargeTransaction } from './large-transaction.ts'
import type { Seed } from './seed.ts'

const ROWS_PER_SECOND = 250
const TRANSACTION_ROWS_MAX = 3_000

export class BackgroundWork {
  readonly #system: TestSystem
  readonly #seed: Seed
  readonly #failed = Promise.withResolvers<never>()
  #stop: AbortController | null = null
  #running: Promise<WorkloadReport> | null = null
  #large: Promise<void> | null = null
  #rows = 0

  constructor(system: TestSystem, seed: Seed) {
    this.#system = system
    this.#seed = seed
    // Whoever waits for something races with it; nobody may wait just then.
    this.#failed.promise.catch(() => undefined)
  }

  /** Rejects when the work can not go on. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** Rows that the steady workload changed and committed. */
  get rows(): number {
    return this.#rows
  }

  start(): void {
    this.#stop = new AbortController()
    this.#running = demo.runWorkload({
      url: this.#system.url('monolith'),
      seed: this.#seed.number,
      ratePerSecond: ROWS_PER_SECOND,
      signal: this.#stop.signal,
      onProgress: ({ inserted, updated, deleted }) => (this.#rows = inserted + updated + deleted),
    })
    this.#running.catch(this.#failed.reject)
  }

  /** Mostly small: as many transactions have 3 rows as have 3,000. */
  anySize(seed: Seed): void {
    this.large(Math.round(TRANSACTION_ROWS_MAX ** seed.of('size').random().fraction()), seed)
  }

  /** Begins a transaction of so many rows, unless one is under way. */
  large(rows: number, seed: Seed): void {
    if (this.#large !== null) return
    this.#large = writeLargeTransaction(this.#system.url('monolith'), rows, seed.random()).then(
      () => void (this.#large = null),
      this.#failed.reject,
    )
  }

  /** Runs a transaction of so many rows to its end, after the one that is under way. */
  async wholeLarge(rows: number, seed: Seed): Promise<void> {
    await this.#large
    this.large(rows, seed)
    await this.#large
  }

  /** Resolves when no transaction is open any more. */
  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#large
    await this.#running
    this.#running = null
  }
}

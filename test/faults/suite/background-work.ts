/**
 * What the application does while faults are struck: a steady workload of small transactions (with savepoints, rollbacks, changed
 * keys and outbox events), and beside it transactions of any size up to 100,000 rows.
 */
import { setTimeout as delay } from 'node:timers/promises'
import demo from '@sluice/medcontracthub/demo'
import type { WorkloadReport } from '@sluice/workload'
import type { TestSystem } from '../../harness/test-system.ts'
import { insertLargeTransaction, writeLargeTransaction } from './large-transaction.ts'
import type { Seed } from './seed.ts'

/** Always something on its way, and two cores keep time for what a fault's recovery needs. */
const ROWS_PER_SECOND = 150
const TRANSACTION_ROWS_MAX = 3_000
const AGAIN_MS = 200

export class BackgroundWork implements AsyncDisposable {
  readonly #system: TestSystem
  readonly #seed: Seed
  readonly #failed = Promise.withResolvers<never>()
  #stop: AbortController | null = null
  #running: Promise<WorkloadReport> | null = null
  #large: Promise<void> | null = null
  #rows = 0
  #isGivenUp = false

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
    if (this.#large === null) this.#begin(writeLargeTransaction(this.#system.url('monolith'), rows, seed.random()))
  }

  /** One of so many rows that is committed, after the one that is under way: where a fault strikes it, it is written again. */
  largest(rows: number, seed: Seed): void {
    this.#begin(this.#insertLargest(this.#large, rows, seed))
  }

  async #insertLargest(before: Promise<void> | null, rows: number, seed: Seed): Promise<void> {
    await before
    const url = this.#system.url('monolith')
    const isCommitted = (attempt: number): Promise<boolean> =>
      insertLargeTransaction(url, rows, seed.of(`attempt ${attempt}`).random())
    for (let attempt = 1; !this.#isGivenUp && !(await isCommitted(attempt)); attempt += 1) await delay(AGAIN_MS)
  }

  #begin(work: Promise<void>): void {
    const large: Promise<void> = work.then(() => {
      if (this.#large === large) this.#large = null
    }, this.#failed.reject)
    this.#large = large
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

  /** Ends where the monolith may be gone for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isGivenUp = true
    await this.stop().catch(() => undefined)
  }
}

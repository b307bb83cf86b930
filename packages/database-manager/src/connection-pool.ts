/**
 * The connections of an application to one server of a service, within limits.
 *
 *   open --close--> closing: nothing is lent any more --all given back, or the time is over--> closed
 *
 * C1  Never more than `max` connections and `waitingMax` that wait for one; nobody waits longer than `timeoutMs`.
 * C2  A connection is lent again only where it is known to be outside of a transaction.
 * C3  Whoever waits when the pool closes is told at once.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError, quoteLiteral } from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import type { DatabaseMetrics } from '@sluice/telemetry'
import pg from 'pg'
import type { PoolLimits } from './service-settings.ts'

/** How long a connection that nobody needs stays open, where there are more than `min`. */
const IDLE_MS = 30_000

export interface PoolPlace {
  readonly service: string
  /** A replica by its place in the settings, from 1 on. */
  readonly server: 'primary' | ReplicaName
}

export type ReplicaName = `replica_${number}`

export interface PoolState {
  readonly borrowed: number
  readonly idle: number
  readonly waiting: number
  readonly max: number
}

/** A connection for as long as a unit of work has it. */
export interface Borrowed {
  readonly client: pg.PoolClient
  /** Set where nobody knows what it is doing: it is closed and not lent again. */
  isBroken: boolean
}

export class ConnectionPool {
  readonly #target: PostgresTarget
  readonly #limits: PoolLimits
  readonly #place: PoolPlace
  readonly #metrics: DatabaseMetrics
  readonly #applicationName: string
  readonly #pool: pg.Pool
  /** With the time since when, of `performance.now()`. */
  readonly #borrowed = new Map<pg.PoolClient, number>()
  readonly #waiting = new Set<(error: SluiceError) => void>()
  #isClosing = false

  constructor(target: PostgresTarget, config: pg.ClientConfig, limits: PoolLimits, place: PoolPlace, metrics: DatabaseMetrics) {
    this.#target = target
    this.#limits = limits
    this.#place = place
    this.#metrics = metrics
    this.#applicationName = config.application_name ?? ''
    this.#pool = new pg.Pool({
      ...config,
      min: limits.min,
      max: limits.max,
      idleTimeoutMillis: IDLE_MS,
      maxLifetimeSeconds: limits.recycleMs / 1_000,
    })
    // An idle connection that breaks is taken out by the pool itself.
    this.#pool.on('error', () => undefined)
    // One that breaks while somebody has it, between two queries: the next query on it rejects and says so.
    this.#pool.on('connect', (client) => client.on('error', () => undefined))
    this.#pool.on('remove', () => this.#show())
    metrics.poolConnectionsMax.set({ ...place }, limits.max)
    // A counter that begins with its first fault shows no increase.
    metrics.poolExhausted.add({ ...place }, 0)
    this.#show()
  }

  get state(): PoolState {
    const { idleCount, waitingCount } = this.#pool
    return { borrowed: this.#borrowed.size, idle: idleCount, waiting: waitingCount, max: this.#limits.max }
  }

  /**
   * Lends a connection for as long as the work runs.
   *
   * @throws SluiceError SLU-9001 if none was free in time, SLU-9006 if the pool is closing, SLU-2001 to SLU-2003
   */
  async use<T>(work: (borrowed: Borrowed) => Promise<T>): Promise<T> {
    const client = await this.#borrow()
    const borrowed: Borrowed = { client, isBroken: false }
    try {
      return await work(borrowed)
    } finally {
      this.#giveBack(client, borrowed.isBroken || client.getTransactionStatus() !== 'I')
    }
  }

  /** Opens connections until there are `min`. @throws SluiceError SLU-2001 to SLU-2003 */
  async fill(): Promise<void> {
    if (this.#isClosing || this.#pool.totalCount >= this.#limits.min) return
    const wanted = Math.max(0, this.#limits.min - this.#borrowed.size)
    // Held together, since one that is given back would be lent again.
    const opened = await Promise.allSettled(Array.from({ length: wanted }, () => this.#borrow()))
    for (const result of opened) if (result.status === 'fulfilled') this.#giveBack(result.value, false)
    for (const result of opened) if (result.status === 'rejected') throw result.reason
  }

  /**
   * Lends nothing any more and waits until everything is given back.
   *
   * @returns how many connections were still borrowed when the time was over; they are broken off, and PostgreSQL rolls back
   *   what they had open
   */
  async close(graceMs: number): Promise<number> {
    this.#isClosing = true
    for (const refuse of this.#waiting) refuse(this.#closed())
    this.#waiting.clear()
    const timer = new AbortController()
    const isGivenBack = await Promise.race([
      this.#pool.end().then(() => true),
      delay(graceMs, false, { signal: timer.signal }).catch(() => false),
    ])
    timer.abort()
    const abandoned = isGivenBack ? [] : [...this.#borrowed.keys()]
    // Not awaited: a silent network would not let them end.
    for (const client of abandoned) void client.end().catch(() => undefined)
    this.#show()
    return abandoned.length
  }

  async #borrow(): Promise<pg.PoolClient> {
    if (this.#isClosing) throw this.#closed()
    const { waiting } = this.state
    if (waiting >= this.#limits.waitingMax && this.#borrowed.size >= this.#limits.max) throw this.#exhausted('no more may wait')
    try {
      const borrowing = this.#connection()
      this.#show()
      const client = await borrowing
      this.#borrowed.set(client, performance.now())
      return client
    } catch (error) {
      throw this.#told(error)
    } finally {
      this.#show()
    }
  }

  #connection(): Promise<pg.PoolClient> {
    const { promise, resolve, reject } = Promise.withResolvers<pg.PoolClient>()
    this.#waiting.add(reject)
    this.#pool.connect().then(
      (client) => {
        // It comes after the one who waited was told that the pool closes.
        if (this.#waiting.delete(reject)) resolve(client)
        else client.release(true)
      },
      (error: unknown) => {
        this.#waiting.delete(reject)
        reject(error)
      },
    )
    return promise
  }

  #giveBack(client: pg.PoolClient, isBroken: boolean): void {
    this.#borrowed.delete(client)
    client.release(isBroken)
    this.#show()
  }

  /** `pg` has no code for it; the same words where all connections are still being opened mean an unreachable server. */
  #told(error: unknown): SluiceError {
    const isLate = error instanceof Error && error.message === 'timeout exceeded when trying to connect'
    if (isLate && this.#borrowed.size >= this.#limits.max)
      return this.#exhausted(`none came back within ${this.#limits.timeoutMs} ms`)
    return toPostgresError(error, this.#target)
  }

  #exhausted(late: string): SluiceError {
    this.#metrics.poolExhausted.add({ ...this.#place }, 1)
    const { borrowed, waiting, max } = this.state
    const longestMs = Math.round(performance.now() - Math.min(...this.#borrowed.values()))
    return new SluiceError('POOL_EXHAUSTED', {
      what: `no connection to ${this.#name()} is free`,
      why: `${borrowed} of ${max} are borrowed, the longest for ${longestMs} ms, ${waiting} more wait, and ${late}`,
      ways: [
        `psql postgresql://${this.#target.display} -c "SELECT pid, state, now() - xact_start AS age, query FROM pg_stat_activity WHERE application_name = ${quoteLiteral(this.#applicationName)} ORDER BY age DESC"    shows what holds them`,
        `raise pool.max of ${this.#place.service}, within max_connections of its server`,
      ],
    })
  }

  #closed(): SluiceError {
    return new SluiceError('DATABASES_CLOSED', {
      what: `no connection to ${this.#name()} is lent any more`,
      why: 'the application closes its service databases',
      ways: ['stop taking requests before closing them'],
    })
  }

  #name(): string {
    const { service, server } = this.#place
    return server === 'primary' ? `service "${service}"` : `${server} of service "${service}"`
  }

  #show(): void {
    const { borrowed, idle, waiting, max } = this.state
    this.#metrics.poolConnections.set({ ...this.#place, state: 'borrowed' }, borrowed)
    this.#metrics.poolConnections.set({ ...this.#place, state: 'idle' }, idle)
    this.#metrics.poolUtilisation.set({ ...this.#place }, borrowed / max)
    this.#metrics.poolWaiting.set({ ...this.#place }, waiting)
  }
}

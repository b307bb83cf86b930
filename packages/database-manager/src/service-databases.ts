/**
 * The databases of an application's services: one pool each, with its own limits, so that what one service does or suffers never takes
 * a connection from another.
 *
 *   open --close--> closed
 *
 * D1  A database that does not answer delays nobody but its own callers, from the first moment on.
 * D2  After `close` resolved no statement of the manager runs; an attempt to connect that is not answered ends with `timeoutMs`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type HealthCheck, type Logger, silentLogger } from '@sluice/core'
import { type DatabaseMetrics, createDatabaseMetrics } from '@sluice/telemetry'
import { hasAll } from './by-name.ts'
import { type AccessLog, type RecordAccess, accessStatement } from './data-access.ts'
import { ServiceDatabase } from './service-database.ts'
import { type ServiceSettings, resolveSettings } from './service-settings.ts'

export interface ServiceDatabasesOptions<Name extends string> {
  /** As it is seen in `pg_stat_activity`. */
  readonly applicationName: string
  readonly services: Readonly<Record<Name, ServiceSettings>>
  /** @default metrics that nobody reads */
  readonly metrics?: DatabaseMetrics
  /** @default none */
  readonly logger?: Logger
  /** Who is told of every access, or the table that takes the records. @default access is not recorded */
  readonly access?: RecordAccess | AccessLog<Name>
}

/** What the documents' `/health` answers. */
export interface DatabaseHealth<Name extends string> {
  readonly status: 'healthy' | 'unhealthy'
  readonly services: Readonly<Record<Name, boolean>>
  /** ISO time. */
  readonly timestamp: string
}

export interface CloseReport {
  /** Units of work that had not ended in time, by service; services without one are left out. */
  readonly abandoned: Readonly<Record<string, number>>
}

const OPENING_MS = 2_000
const LOOK_AT_REPLICAS_MS = 1_000
const KEEP_UP_MS = 10_000
const CLOSE_GRACE_MS = 30_000

export class ServiceDatabases<Name extends string> {
  readonly #databases: ReadonlyMap<Name, ServiceDatabase>
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  readonly #loops: readonly Promise<void>[]
  /** Resolves once every server was looked at. */
  readonly #begun: Promise<unknown>
  #closed: Promise<CloseReport> | null = null

  private constructor(databases: ReadonlyMap<Name, ServiceDatabase>, logger: Logger) {
    this.#databases = databases
    this.#logger = logger
    const begun: Promise<void>[] = []
    const repeat = (everyMs: number, work: () => Promise<void>): Promise<void> => {
      const first = work()
      begun.push(first)
      return this.#repeat(everyMs, first, work)
    }
    this.#loops = [...databases.values()].flatMap((database) => [
      ...database.replicaLooks.map((look) => repeat(LOOK_AT_REPLICAS_MS, look)),
      repeat(KEEP_UP_MS, () => database.keepUp()),
    ])
    this.#begun = Promise.all(begun)
  }

  /**
   * Opens each pool's `min` connections, side by side, and goes on with that where a server has not answered in two seconds.
   *
   * @throws SluiceError SLU-1003 if settings can not be used; a server that does not answer is told by the checks
   */
  static async open<Name extends string>(options: ServiceDatabasesOptions<Name>): Promise<ServiceDatabases<Name>> {
    const logger = options.logger ?? silentLogger
    const metrics = options.metrics ?? createDatabaseMetrics()
    const databases = new Map<Name, ServiceDatabase>()
    const { access } = options
    const recordAccess = access === undefined ? null : typeof access === 'function' ? access : recordsInto(access, databases)
    for (const [name, settings] of resolveSettings(options.services)) {
      const { applicationName } = options
      if (settings.isFallback) logger.warn({ service: name }, 'the service uses the main database: DATABASE_URL, in development')
      databases.set(name, new ServiceDatabase({ name, settings, applicationName, metrics, logger, recordAccess }))
    }
    const opened = new ServiceDatabases(databases, logger)
    await Promise.race([opened.#begun, delay(OPENING_MS, undefined, { ref: false })])
    return opened
  }

  /** The database of one service. */
  get(name: Name): ServiceDatabase {
    const database = this.#databases.get(name)
    if (database === undefined) throw new RangeError(`no service database "${name}" was opened`)
    return database
  }

  /** Whether each service's database answers. A replica that is away, or a pool that is exhausted, makes none unhealthy. */
  async healthCheck(): Promise<DatabaseHealth<Name>> {
    const names = [...this.#databases.keys()]
    const services: Partial<Record<Name, boolean>> = {}
    await Promise.all(
      names.map(async (name) => {
        services[name] = (await this.get(name).checks()).every((check) => check.status !== 'failed')
      }),
    )
    const isHealthy = names.every((name) => services[name])
    if (!hasAll(services, names)) throw new Error('each service has just given its answer')
    return { status: isHealthy ? 'healthy' : 'unhealthy', services, timestamp: new Date().toISOString() }
  }

  /** For `startHealthServer` of `@sluice/telemetry`. */
  async checks(): Promise<readonly HealthCheck[]> {
    return (await Promise.all([...this.#databases.values()].map((database) => database.checks()))).flat()
  }

  /**
   * Lends no more connections, tells those who wait for one, and waits until what is borrowed is given back. May be called again.
   *
   * @param graceMs After that, what is still borrowed is broken off, and PostgreSQL rolls it back. @default 30000
   */
  async close(graceMs: number = CLOSE_GRACE_MS): Promise<CloseReport> {
    this.#closed ??= this.#close(graceMs)
    return this.#closed
  }

  async #close(graceMs: number): Promise<CloseReport> {
    this.#stopping.abort()
    const closed = await Promise.all(
      [...this.#databases].map(async ([name, database]) => [name, await database.close(graceMs)] as const),
    )
    // What they still wait for is refused by now.
    await Promise.all(this.#loops)
    const abandoned = Object.fromEntries(closed.filter(([, count]) => count > 0))
    if (Object.keys(abandoned).length > 0) this.#logger.warn({ abandoned }, 'units of work had not ended and were broken off')
    return { abandoned }
  }

  async #repeat(everyMs: number, first: Promise<void>, work: () => Promise<void>): Promise<void> {
    await first
    const { signal } = this.#stopping
    // The delay keeps no process alive.
    const isStopped = (): Promise<boolean> => delay(everyMs, false, { signal, ref: false }).catch(() => true)
    while (!(await isStopped())) await work()
  }
}

function recordsInto<Name extends string>(log: AccessLog<Name>, databases: ReadonlyMap<Name, ServiceDatabase>): RecordAccess {
  return async (access) => {
    const { text, values } = accessStatement(log, access)
    const database = databases.get(log.service)
    if (database === undefined) throw new RangeError(`no service database "${log.service}" was opened`)
    await database.unrecordedQuery(text, values)
  }
}

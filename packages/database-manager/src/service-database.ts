/** The database of one service, as its application uses it. */
import { type HealthCheck, type Logger, isSluiceError } from '@sluice/core'
import { type PostgresTarget, isConnectionFault, postgresTarget } from '@sluice/postgres'
import type { DatabaseMetrics } from '@sluice/telemetry'
import type { QueryResult, QueryResultRow } from 'pg'
import { monitorConfig, poolConfig } from './client-config.ts'
import { ConnectionPool, type PoolPlace, type PoolState, type ReplicaName } from './connection-pool.ts'
import { type RecordAccess, accessOf } from './data-access.ts'
import { MonitorConnection } from './monitor-connection.ts'
import { ReplicaWatch } from './replica-watch.ts'
import type { ResolvedSettings } from './service-settings.ts'
import { StatementNames } from './statement-names.ts'
import { StatementRunner } from './statement-runner.ts'
import { TENANT_SETTING, currentTenant } from './tenant-context.ts'
import { type Transaction, runTransaction } from './transaction.ts'

export interface UnitOptions {
  /** What it is for. Needed where access is recorded, which keeps it: no values in it. */
  readonly purpose?: string
}

export interface ServiceDatabaseOptions {
  readonly name: string
  readonly settings: ResolvedSettings
  readonly applicationName: string
  readonly metrics: DatabaseMetrics
  readonly logger: Logger
  readonly recordAccess: RecordAccess | null
}

/** One server of the service, with the connections to it. */
interface Server {
  readonly pool: ConnectionPool
  readonly runner: StatementRunner
  readonly monitor: MonitorConnection
}

interface Replica extends Server {
  readonly name: ReplicaName
  readonly watch: ReplicaWatch
}

export class ServiceDatabase {
  readonly name: string
  readonly #settings: ResolvedSettings
  readonly #metrics: DatabaseMetrics
  readonly #logger: Logger
  readonly #recordAccess: RecordAccess | null
  readonly #target: PostgresTarget
  readonly #primary: Server
  readonly #replicas: readonly Replica[]
  /** Replicas as they stand, the one whose turn it is first. */
  #turns: readonly Replica[]
  readonly #names: StatementNames

  /** Opens nothing. @throws SluiceError SLU-1003 if a URL can not be read */
  constructor(options: ServiceDatabaseOptions) {
    const { name, settings, metrics } = options
    this.name = name
    this.#settings = settings
    this.#metrics = metrics
    this.#logger = options.logger
    this.#recordAccess = options.recordAccess
    this.#names = new StatementNames(settings.pooler === 'none')
    this.#target = postgresTarget(name, settings.url)
    this.#primary = this.#server(this.#target, 'primary', options)
    this.#replicas = settings.replicas.map((replica, i) => this.#replicaServer(`replica_${i + 1}`, replica, options))
    this.#turns = this.#replicas
    if (settings.diskBytes !== undefined) metrics.databaseLimitBytes.set({ service: name }, settings.diskBytes)
  }

  get pool(): PoolState {
    return this.#primary.pool.state
  }

  /**
   * One statement, on the primary.
   *
   * @throws SluiceError SLU-9001 to SLU-9006, SLU-2001 to SLU-2003; what else PostgreSQL refuses, as `pg` throws it
   */
  async query<Row extends QueryResultRow = QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<QueryResult<Row>> {
    await this.#recordAccess?.(accessOf(this.name, 'statement', text))
    return this.#single<Row>(text, values)
  }

  /** As `query`, without a record of it: for the record itself. */
  async unrecordedQuery(text: string, values: readonly unknown[]): Promise<void> {
    await this.#single(text, values)
  }

  /**
   * A transaction on the primary: committed if the work resolves, rolled back if it rejects. Killed in it: rolled back.
   *
   * @throws SluiceError SLU-9001 to SLU-9006, SLU-2001 to SLU-2003; what else PostgreSQL refuses or the work throws, as it is
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>, options: UnitOptions = {}): Promise<T> {
    if (this.#recordAccess !== null) await this.#recordAccess(accessOf(this.name, 'transaction', options.purpose))
    return this.#unit(this.#primary, false, work)
  }

  /**
   * A read-only transaction: on a replica that is near enough to the primary, the least busy of them; without one on the primary. What
   * is read may be older than the primary by that replica's `lagMsMax`, and so older than what another read has shown. Nothing in it
   * can write.
   *
   * @throws as `transaction`, and SLU-9003 for a statement that writes
   */
  async read<T>(work: (transaction: Transaction) => Promise<T>, options: UnitOptions = {}): Promise<T> {
    if (this.#recordAccess !== null) await this.#recordAccess(accessOf(this.name, 'read', options.purpose))
    const usable = this.#replicasByLoad().filter((replica) => this.#isUsable(replica))
    for (const replica of usable) {
      // Asked again, since the one before may have taken its time to fail.
      if (!this.#isUsable(replica)) continue
      const unit: { isBegun: boolean } = { isBegun: false }
      try {
        return await this.#unit(replica, true, work, () => {
          unit.isBegun = true
        })
      } catch (error) {
        // Work that has begun may have had effects elsewhere, and is not run twice.
        if (unit.isBegun || !isConnectionFault(error)) throw error
        replica.watch.sawAway(whyOf(error))
        this.#countPassedOver(replica, 'away')
      }
    }
    return this.#unit(this.#primary, true, work)
  }

  /** Whether the primary answers, and what else is to be said of the service's databases. */
  async checks(): Promise<readonly HealthCheck[]> {
    const name = `database.${this.name}`
    const primary = await this.#primary.monitor.ask('SELECT 1 AS one').then(
      () => this.#answering(name),
      (error: unknown): HealthCheck => ({
        name,
        status: 'failed',
        summary: `${this.#target.display} does not answer`,
        ...(isSluiceError(error) ? { cause: error.why, fix: error.ways, code: error.number } : {}),
      }),
    )
    return [primary, ...this.#replicas.map((replica) => replicaCheck(`${name}.${replica.name}`, replica.watch))]
  }

  /** Brings connections up to `min` and the sizes up to date. Faults are logged: one database never stands in another's way. */
  async keepUp(): Promise<void> {
    const opened = await Promise.allSettled(this.#servers().map((server) => server.pool.fill()))
    for (const result of opened) {
      // Nobody opens what is being closed.
      if (result.status === 'rejected' && !isSluiceError(result.reason, 'DATABASES_CLOSED'))
        this.#logger.warn({ service: this.name, why: whyOf(result.reason) }, 'connections could not be opened')
    }
    try {
      const { bytes } = await this.#primary.monitor.ask<{ bytes: string }>(
        'SELECT pg_database_size(current_database())::text AS bytes',
      )
      this.#metrics.databaseBytes.set({ service: this.name }, Number(bytes))
    } catch {
      // The checks say why; an old size would say that it is known.
      this.#metrics.databaseBytes.clear({ service: this.name })
    }
  }

  /** To be called again and again, each by itself. */
  get replicaLooks(): readonly (() => Promise<void>)[] {
    return this.#replicas.map(
      ({ watch }) =>
        () =>
          watch.look(),
    )
  }

  /** @returns how many connections were broken off when the time was over */
  async close(graceMs: number): Promise<number> {
    const servers = this.#servers()
    const abandoned = await Promise.all(servers.map((server) => server.pool.close(graceMs)))
    await Promise.all(servers.map((server) => server.monitor.close()))
    return abandoned.reduce((sum, count) => sum + count, 0)
  }

  #servers(): readonly Server[] {
    return [this.#primary, ...this.#replicas]
  }

  #server(target: PostgresTarget, server: PoolPlace['server'], options: ServiceDatabaseOptions): Server {
    const { settings, metrics, applicationName } = options
    const place: PoolPlace = { service: this.name, server }
    return {
      pool: new ConnectionPool(target, poolConfig(target, settings, applicationName), settings.pool, place, metrics),
      runner: new StatementRunner({
        target,
        place,
        metrics,
        names: this.#names,
        statementTimeoutMs: settings.statementTimeoutMs,
      }),
      monitor: new MonitorConnection(target, monitorConfig(target, `${applicationName} monitor`)),
    }
  }

  #replicaServer(name: ReplicaName, replica: ResolvedSettings['replicas'][number], options: ServiceDatabaseOptions): Replica {
    const server = this.#server(postgresTarget(`${this.name}_${name}`, replica.url), name, options)
    const watch = new ReplicaWatch({
      place: { service: this.name, server: name },
      primary: this.#primary.monitor,
      replica: server.monitor,
      lagMsMax: replica.lagMsMax,
      metrics: options.metrics,
      logger: options.logger,
    })
    return { ...server, name, watch }
  }

  /** The least busy first; those that are equally busy take turns. */
  #replicasByLoad(): readonly Replica[] {
    this.#turns = [...this.#turns.slice(1), ...this.#turns.slice(0, 1)]
    const load = ({ pool: { state } }: Replica): number => state.borrowed + state.waiting
    return this.#turns.toSorted((a, b) => load(a) - load(b))
  }

  #isUsable(replica: Replica): boolean {
    const { kind } = replica.watch.state
    if (kind !== 'usable') this.#countPassedOver(replica, kind)
    return kind === 'usable'
  }

  #countPassedOver({ name }: Replica, reason: 'lags' | 'away'): void {
    this.#metrics.replicaPassedOver.add({ service: this.name, server: name, reason }, 1)
  }

  async #single<Row extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<QueryResult<Row>> {
    if (this.#unitSettings().size > 0)
      return this.#unit(this.#primary, false, (transaction) => transaction.query<Row>(text, values))
    const { pool, runner } = this.#primary
    return pool.use(async (borrowed) => {
      try {
        return await runner.run<Row>(borrowed, text, values)
      } catch (error) {
        if (!this.#names.renewAfter(error)) throw error
        return runner.run<Row>(borrowed, text, values)
      }
    })
  }

  async #unit<T>(
    { pool, runner }: Server,
    isReadOnly: boolean,
    work: (transaction: Transaction) => Promise<T>,
    onBegun?: () => void,
  ): Promise<T> {
    const settings = this.#unitSettings()
    try {
      return await pool.use((borrowed) =>
        runTransaction(runner, borrowed, { isReadOnly, settings, ...(onBegun === undefined ? {} : { onBegun }) }, work),
      )
    } catch (error) {
      // The transaction is over; the next one has new names.
      this.#names.renewAfter(error)
      throw error
    }
  }

  /** What a transaction brings along with `SET LOCAL`. */
  #unitSettings(): ReadonlyMap<string, string> {
    const { pooler, statementTimeoutMs, idleTransactionTimeoutMs } = this.#settings
    const settings = new Map<string, string>()
    const tenant = currentTenant()
    if (tenant !== undefined) settings.set(TENANT_SETTING, tenant)
    if (pooler === 'transaction') {
      settings.set('statement_timeout', String(statementTimeoutMs))
      settings.set('idle_in_transaction_session_timeout', String(idleTransactionTimeoutMs))
    }
    return settings
  }

  #answering(name: string): HealthCheck {
    const { borrowed, max, waiting } = this.pool
    const pool = `${borrowed} of ${max} connections borrowed, ${waiting} wait`
    if (waiting > 0 && borrowed >= max) return { name, status: 'warning', summary: pool, cause: 'the pool is exhausted' }
    if (this.#settings.isFallback) return { name, status: 'warning', summary: `the main database, for development; ${pool}` }
    return { name, status: 'ok', summary: pool }
  }
}

function replicaCheck(name: string, watch: ReplicaWatch): HealthCheck {
  const { state } = watch
  if (state.kind === 'away') return { name, status: 'warning', summary: 'away: reads go elsewhere', cause: state.why }
  const lag = Number.isFinite(state.lagMs) ? `${state.lagMs} ms behind` : 'not known to be near'
  return { name, status: state.kind === 'usable' ? 'ok' : 'warning', summary: lag }
}

function whyOf(error: unknown): string {
  return isSluiceError(error) ? error.why : String(error)
}

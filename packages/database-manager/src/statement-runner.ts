/** Runs statements on a borrowed connection: named, measured, and with Sluice's errors where the manager itself is concerned. */
import { SluiceError, isSluiceError } from '@sluice/core'
import { type PostgresTarget, isConnectionFault, sqlStateOf, toPostgresError } from '@sluice/postgres'
import type { DatabaseMetrics } from '@sluice/telemetry'
import pg from 'pg'
import type { Borrowed, PoolPlace } from './connection-pool.ts'
import type { StatementNames } from './statement-names.ts'

export interface RunnerOptions {
  readonly target: PostgresTarget
  readonly place: PoolPlace
  readonly metrics: DatabaseMetrics
  readonly names: StatementNames
  readonly statementTimeoutMs: number
}

const KINDS = ['timeout', 'connection', 'refused'] as const
const OUTCOMES = ['committed', 'rolled_back', 'unknown'] as const

/** What `pg` says where the server did not answer at all. */
const SILENT = 'Query read timeout'

export class StatementRunner {
  readonly #options: RunnerOptions

  constructor(options: RunnerOptions) {
    this.#options = options
    const { metrics, place } = options
    // A counter that begins with its first fault shows no increase.
    for (const kind of KINDS) metrics.queryErrors.add({ ...place, kind }, 0)
    for (const outcome of OUTCOMES) metrics.transactions.add({ ...place, outcome }, 0)
  }

  /**
   * @throws SluiceError SLU-9002 if it took too long, SLU-9003 if it writes where it may only read, SLU-2001 to SLU-2003; what
   *   else PostgreSQL refuses, as `pg` throws it
   */
  async run<Row extends pg.QueryResultRow>(
    borrowed: Borrowed,
    text: string,
    values: readonly unknown[],
  ): Promise<pg.QueryResult<Row>> {
    const { metrics, place, names } = this.#options
    const startedAt = performance.now()
    try {
      return await borrowed.client.query<Row>(names.named(text, values))
    } catch (error) {
      const told = this.#told(error, performance.now() - startedAt, borrowed)
      metrics.queryErrors.add({ ...place, kind: kindOf(told) }, 1)
      throw told
    } finally {
      metrics.querySeconds.observe({ ...place }, (performance.now() - startedAt) / 1_000)
    }
  }

  /** What begins, sets and ends a transaction: no statement of the application's. @throws as `run` */
  async control(borrowed: Borrowed, text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    const startedAt = performance.now()
    try {
      return await borrowed.client.query(text, [...values])
    } catch (error) {
      throw this.#told(error, performance.now() - startedAt, borrowed)
    }
  }

  /** @throws SluiceError SLU-9007 where no answer came; as `control` where PostgreSQL refused, which rolls back */
  async commit(borrowed: Borrowed): Promise<pg.QueryResult> {
    try {
      return await this.control(borrowed, 'COMMIT')
    } catch (error) {
      if (!borrowed.isBroken) throw error
      throw new SluiceError('COMMIT_UNANSWERED', {
        what: `whether a transaction of service "${this.#options.place.service}" took effect is not known`,
        why: `COMMIT got no answer: ${isSluiceError(error) ? error.why : String(error)}`,
        ways: [
          'look for what it wrote before it is done again',
          'write a key of the caller with it, which a second one is refused by',
        ],
        cause: error,
      })
    }
  }

  countTransaction(outcome: (typeof OUTCOMES)[number]): void {
    this.#options.metrics.transactions.add({ ...this.#options.place, outcome }, 1)
  }

  #told(error: unknown, tookMs: number, borrowed: Borrowed): unknown {
    const { target, place, statementTimeoutMs } = this.#options
    const isSilent = error instanceof Error && error.message === SILENT
    // Anything but PostgreSQL's own refusal leaves the connection in a state that nobody knows.
    if (!(error instanceof pg.DatabaseError) || isConnectionFault(error)) borrowed.isBroken = true
    if (isSilent || (sqlStateOf(error) === '57014' && tookMs >= statementTimeoutMs)) {
      return new SluiceError('QUERY_TIMED_OUT', {
        what: `a statement of service "${place.service}" took too long`,
        why: isSilent
          ? `${place.server} said nothing for ${Math.round(tookMs)} ms`
          : `${place.server} ended it after ${statementTimeoutMs} ms`,
        ways: ['EXPLAIN (ANALYZE, BUFFERS) shows where its time goes', `raise statementTimeoutMs of ${place.service}`],
        cause: error,
      })
    }
    if (sqlStateOf(error) === '25006') {
      return new SluiceError('WRITE_IN_READ', {
        what: `a statement of service "${place.service}" writes where it may only read`,
        why: `SQLSTATE 25006 of ${place.server}`,
        ways: ['use transaction() or query() in place of read()'],
        cause: error,
      })
    }
    return isConnectionFault(error) ? toPostgresError(error, target) : error
  }
}

function kindOf(error: unknown): (typeof KINDS)[number] {
  if (error instanceof SluiceError && error.code === 'QUERY_TIMED_OUT') return 'timeout'
  return isConnectionFault(error) ? 'connection' : 'refused'
}

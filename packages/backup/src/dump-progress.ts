/**
 * How much of a dump is done, in bytes that its tables have on the server's disk: all of the tables whose rows pg_dump is through with, and
 * of the one that it is at the share of its rows that the server has sent.
 *
 * That share is asked for on the connection that exported the snapshot, which is idle meanwhile. Whatever becomes of the question, the dump
 * goes on: pg_dump has a transaction of its own once it is at a table, and then the progress moves table by table. One question is asked at a
 * time, and nobody waits for its answer: the end of the connection ends it.
 * https://www.postgresql.org/docs/current/progress-reporting.html#COPY-PROGRESS-REPORTING (PostgreSQL 14 and newer)
 */
import type { ClientBase } from 'pg'
import type { TableName } from './backup-contents.ts'
import type { StageWork } from './stage-work.ts'

const INTERVAL_MS = 500

export interface DumpedTable extends TableName {
  /** Of rows and large values, without indexes. */
  readonly bytes: number
  readonly rows: bigint
}

export interface DumpProgressOptions {
  /** In the transaction that exported the snapshot. */
  readonly client: ClientBase
  /** That of pg_dump, and of nobody else. */
  readonly applicationName: string
  readonly tables: readonly DumpedTable[]
  /** Called when more is done than was told. */
  readonly onWork: () => void
}

export class DumpProgress implements Disposable {
  readonly #options: DumpProgressOptions
  readonly #tables: ReadonlyMap<string, DumpedTable>
  readonly #of: number
  #timer: NodeJS.Timeout | undefined
  #isAsking = false
  #isEnded = false
  #endedBytes = 0
  #current: DumpedTable | null = null
  /** Of the rows of the current table; 0 to 1. */
  #share = 0

  constructor(options: DumpProgressOptions) {
    this.#options = options
    this.#tables = new Map(options.tables.map((table) => [`${table.schema}.${table.name}`, table]))
    this.#of = options.tables.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get work(): StageWork {
    return { done: this.#endedBytes + (this.#current?.bytes ?? 0) * this.#share, of: this.#of }
  }

  /** @param table As pg_dump names it: `public.orders`. The one before it has ended. */
  begin(table: string): void {
    this.#endedBytes += this.#current?.bytes ?? 0
    this.#current = this.#tables.get(table) ?? null
    this.#share = 0
    this.#timer ??= setInterval(() => this.#askOnce(), INTERVAL_MS)
  }

  /** No more is asked. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#isEnded = true
  }

  #askOnce(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#ask().then(
      () => (this.#isAsking = false),
      // Before PostgreSQL 14 there is nothing to ask; and a failure ends the transaction, so that every later question would fail, too.
      () => this[Symbol.dispose](),
    )
  }

  async #ask(): Promise<void> {
    const { client, applicationName, onWork } = this.#options
    // A transaction sees the sessions as they were when it first looked.
    await client.query('SELECT pg_catalog.pg_stat_clear_snapshot()')
    const { rows } = await client.query<{ oid: string; sent: string }>(
      `SELECT p.relid::text AS oid, p.tuples_processed::text AS sent
       FROM pg_catalog.pg_stat_progress_copy p JOIN pg_catalog.pg_stat_activity a USING (pid) WHERE a.application_name = $1`,
      [applicationName],
    )
    // The server may be at the next table already, of which pg_dump has not told yet.
    const sent = rows.find(({ oid }) => oid === this.#current?.oid)?.sent
    if (this.#isEnded || sent === undefined || this.#current === null || this.#current.rows === 0n) return
    this.#share = Math.min(1, Number(sent) / Number(this.#current.rows))
    onWork()
  }
}

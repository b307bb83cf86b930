/**
 * A connection inside one REPEATABLE READ READ ONLY transaction: everything it reads is of one moment.
 *
 * An abort cancels the running statement in the server. A statement that fails is undone to a savepoint, so that the
 * snapshot survives it.
 */
import { quoteLiteral } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { Client } from 'pg'

export interface SnapshotOptions {
  /** Name of an exported snapshot; without it the transaction takes its own. */
  readonly snapshot?: string
  readonly signal: AbortSignal
}

/** The comparison may take longer than what an administrator allows ordinary sessions; compiling wide rows only costs. */
const SETTINGS = `SELECT set_config(name, CASE name WHEN 'jit' THEN 'off' ELSE '0' END, true) FROM pg_settings
  WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'jit')`

const APPLICATION = 'sluice verify'

export class SnapshotSession {
  readonly client: Client
  readonly target: PostgresTarget
  readonly #signal: AbortSignal
  readonly #onAbort: () => void
  #cancelling: Promise<void> = Promise.resolve()
  #cursors = 0

  private constructor(client: Client, target: PostgresTarget, pid: number, signal: AbortSignal) {
    this.client = client
    this.target = target
    this.#signal = signal
    this.#onAbort = () => {
      this.#cancelling = cancel(target, pid)
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** @throws SluiceError SLU-2001 to SLU-2004 */
  static async open(target: PostgresTarget, options: SnapshotOptions): Promise<SnapshotSession> {
    options.signal.throwIfAborted()
    const client = await connect(target, { applicationName: APPLICATION })
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      if (options.snapshot !== undefined) await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(options.snapshot)}`)
      await client.query(SETTINGS)
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      return new SnapshotSession(client, target, rows[0]!.pid, options.signal)
    } catch (error) {
      await client.end()
      throw toPostgresError(error, target)
    }
  }

  /** @throws SluiceError with the server's own error as its cause */
  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    this.#signal.throwIfAborted()
    try {
      const { rows } = await this.client.query<Row>(text, [...values])
      return rows
    } catch (error) {
      this.#signal.throwIfAborted()
      throw toPostgresError(error, this.target)
    }
  }

  /** Rows through a cursor of the server, at most `fetchRows` at a time. */
  async *stream<Row extends object>(query: string, fetchRows: number): AsyncGenerator<Row[], undefined> {
    this.#cursors += 1
    const cursor = `sluice_verify_${this.#cursors}`
    await this.query(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${query}`)
    for (;;) {
      const rows = await this.query<Row>(`FETCH ${fetchRows} FROM ${cursor}`)
      if (rows.length === 0) break
      yield rows
    }
    await this.query(`CLOSE ${cursor}`)
  }

  /** Runs work behind a savepoint: if a statement of it fails, the snapshot is usable afterwards. */
  async guarded<T>(work: () => Promise<T>): Promise<T> {
    await this.query('SAVEPOINT sluice_verify')
    try {
      return await work()
    } finally {
      if (!this.#signal.aborted) await this.query('ROLLBACK TO SAVEPOINT sluice_verify; RELEASE SAVEPOINT sluice_verify')
    }
  }

  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort)
    await this.#cancelling
    await this.client.end()
  }
}

/** The session ends anyway after an abort; a cancel request that can't be made only means that the server works on. */
async function cancel(target: PostgresTarget, pid: number): Promise<void> {
  try {
    const client = await connect(target, { applicationName: APPLICATION, statementTimeoutMs: 5_000 })
    await client.query('SELECT pg_cancel_backend($1)', [pid])
    await client.end()
  } catch {
    // Nothing to do: `close` ends the connection, and the server notices that when it next writes to it.
  }
}

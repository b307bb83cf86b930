/**
 * A lock that a session of the test holds, so that a process stands before its next step until it is let go: moments of a process
 * that are the same every time, without a word of it in the product.
 */
import { type PostgresTarget, connect } from '@sluice/postgres'
import type pg from 'pg'
import { expect } from 'vitest'
import type { SluiceProcess } from '../harness/sluice-process.ts'
import { waitUntil } from '../harness/wait-until.ts'

const LIMIT_MS = 60_000

export class HeldLock implements AsyncDisposable {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  /** @param lock SQL that takes the lock in a transaction, which is left open. */
  static async take(target: PostgresTarget, lock: string): Promise<HeldLock> {
    const client = await connect(target, { applicationName: 'test lock' })
    await client.query('BEGIN')
    await client.query(lock)
    return new HeldLock(client)
  }

  /** Waits until a session stands at the lock, or at one of another session, and gives its process id. */
  async waiting(holder?: number): Promise<number> {
    // Not of pg_stat_activity, of which a transaction sees one state only.
    return waitUntil('a session to stand at the lock', LIMIT_MS, async () => {
      const { rows } = await this.#client.query<{ pid: number }>(
        'SELECT pid FROM pg_locks WHERE NOT granted AND coalesce($1, pg_backend_pid()) = ANY (pg_blocking_pids(pid))',
        [holder ?? null],
      )
      return rows[0]?.pid
    })
  }

  /** Waits until the process stands at the lock, and kills it there. @returns process id of its session, which is there still */
  async killWaiting(process: SluiceProcess): Promise<number> {
    const session = await Promise.race([this.waiting(), process.exit.then(() => Promise.reject(new Error(process.stderr)))])
    process.kill('SIGKILL')
    expect(await process.exit).toEqual({ code: null, signal: 'SIGKILL' })
    return session
  }

  /** Lets the lock go, and ends the session that stood there first: it notices late that nobody is left who asked. */
  async endAndLetGo(pid: number): Promise<void> {
    const { rows } = await this.#client.query<{ ended: boolean }>('SELECT pg_terminate_backend($1, $2) AS ended', [pid, LIMIT_MS])
    if (rows[0]?.ended !== true) throw new Error(`session ${pid} did not end within ${LIMIT_MS} ms`)
    await this.letGo()
  }

  /** Lets the lock go, and waits until the session that stood there has done what it was asked, and ended. */
  async letGoAndAwaitEnd(pid: number): Promise<void> {
    await this.letGo()
    await waitUntil(`session ${pid} to end`, LIMIT_MS, async () => {
      return (await this.#client.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).rowCount === 0
    })
  }

  async letGo(): Promise<void> {
    await this.#client.query('ROLLBACK')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

/** A read-only connection as a role that may see little: opened at the first use, opened anew after it broke. */
import type { Client, ClientBase } from 'pg'
import { type ConnectOptions, connect } from './connection.ts'
import { toPostgresError } from './postgres-error.ts'
import type { PostgresTarget } from './target.ts'

export class RoleConnection {
  readonly #target: PostgresTarget
  readonly #role: string
  readonly #options: ConnectOptions
  #client: Client | null = null

  constructor(target: PostgresTarget, role: string, options: ConnectOptions) {
    this.#target = target
    this.#role = role
    this.#options = options
  }

  /** @throws SluiceError SLU-2001 to SLU-2004 */
  async use<Result>(work: (client: ClientBase) => Promise<Result>): Promise<Result> {
    try {
      this.#client ??= await this.#open()
      return await work(this.#client)
    } catch (error) {
      await this.close()
      throw toPostgresError(error, this.#target)
    }
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = null
    // It may be broken, which is why it is closed.
    await client?.end().catch(() => undefined)
  }

  /** As the role where the session's own role is a member of it; else as itself, with what it was granted. */
  async #open(): Promise<Client> {
    const client = await connect(this.#target, this.#options)
    await client.query(
      `SELECT set_config('default_transaction_read_only', 'on', false), set_config('role', rolname, false)
       FROM pg_roles WHERE rolname = $1 AND pg_has_role(session_user, oid, 'MEMBER')`,
      [this.#role],
    )
    return client
  }
}

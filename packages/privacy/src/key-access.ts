/** A connection to the keys in the pipeline database: opened at the first use, opened anew after it broke. */
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { Client, ClientBase } from 'pg'
import type { MasterKeys } from './master-keys.ts'

/** Where keys are read, and what unwraps them. */
export interface KeyAccess {
  readonly target: PostgresTarget
  readonly master: MasterKeys
}

/** May see keys, and nothing else of the pipeline database; made by the store's migrations. */
export const KEY_READER_ROLE = 'sluice_key_reader'

export class KeyConnection {
  readonly #target: PostgresTarget
  readonly #applicationName: string
  #client: Client | null = null

  constructor(target: PostgresTarget, applicationName: string) {
    this.#target = target
    this.#applicationName = applicationName
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

  /** As the role that may read keys and nothing else, where the session's own role is a member of it. */
  async #open(): Promise<Client> {
    const client = await connect(this.#target, { applicationName: this.#applicationName })
    await client.query(
      `SELECT set_config('default_transaction_read_only', 'on', false), set_config('role', rolname, false)
       FROM pg_roles WHERE rolname = $1 AND pg_has_role(session_user, oid, 'MEMBER')`,
      [KEY_READER_ROLE],
    )
    return client
  }
}

/**
 * The projector's one connection to its service database; a broken one is replaced at the next use. Behind a pooler nothing is kept in
 * the session: no statement has a name, and each transaction brings its settings along (decision 0023).
 */
import { type PostgresTarget, TRANSACTION_SETTINGS, openConnection } from '@sluice/postgres'
import type { Client } from 'pg'
import { PreparedStatements } from './prepared-statements.ts'

export class ServiceConnection {
  readonly #target: PostgresTarget
  readonly #applicationName: string
  /** Names are bound to the connection, so both live as long. */
  readonly statements = new PreparedStatements()
  #client: Client | undefined
  #isPooled = false

  constructor(target: PostgresTarget, applicationName: string) {
    this.#target = target
    this.#applicationName = applicationName
  }

  /** @throws SluiceError SLU-2001, SLU-2002 or SLU-2003 */
  async client(): Promise<Client> {
    if (this.#client === undefined) {
      const opened = await openConnection(this.#target, { applicationName: this.#applicationName, mayBePooled: true })
      this.#client = opened.client
      this.#isPooled = opened.isPooled
      if (opened.isPooled) this.statements.giveUp()
    }
    return this.#client
  }

  /** What a transaction is begun with. */
  get begin(): string {
    return this.#isPooled ? `BEGIN; ${TRANSACTION_SETTINGS}` : 'BEGIN; '
  }

  /** Ends an open transaction; a connection that can't do that is given up. */
  async rollBack(): Promise<void> {
    try {
      await this.#client?.query('ROLLBACK')
    } catch {
      await this.close()
    }
  }

  /** Breaks off a statement that is running; it rejects. */
  abandon(): void {
    this.#client?.end().catch(() => undefined)
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    try {
      await client?.end()
    } catch {
      // It was broken already, which is why it is closed.
    }
  }
}

/**
 * Names for statements that come again and again: the server parses and plans a named one once a connection. Planning is most
 * of what a small statement costs.
 *
 * A pooler that gives each transaction another server connection (pgbouncer before 1.21 in transaction mode) does not know the
 * names; then they are given up, and the statements work without. That has to be known before the first one: there a name may be that of
 * another client's statement, which would be run instead, without an error.
 */
import { sqlStateOf } from '@sluice/postgres'
import type { QueryConfig } from 'pg'

/** A handler that puts values into its text makes a new one each time; those beyond the limit stay without a name. */
const NAMES_MAX = 200

/** Unknown name, name in use, and a result that changed with a migration. */
const NAME_FAULTS: ReadonlySet<string | undefined> = new Set(['26000', '42P05', '0A000'])

export class PreparedStatements {
  readonly #names = new Map<string, string>()
  #isUsable = true

  /** The statement with its name, if it has one. */
  named(text: string, values: readonly unknown[]): QueryConfig {
    if (!this.#isUsable) return { text, values: [...values] }
    let name = this.#names.get(text)
    if (name === undefined && this.#names.size < NAMES_MAX) {
      name = `sluice_${this.#names.size + 1}`
      this.#names.set(text, name)
    }
    return { text, values: [...values], ...(name === undefined ? {} : { name }) }
  }

  /** From here on no name is used. */
  giveUp(): void {
    this.#isUsable = false
  }

  /** True if the error is about names; from then on none is used. */
  giveUpAfter(error: unknown): boolean {
    if (!this.#isUsable || !NAME_FAULTS.has(sqlStateOf(error))) return false
    this.giveUp()
    return true
  }
}

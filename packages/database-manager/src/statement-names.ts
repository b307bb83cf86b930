/**
 * Names for statements that come again and again: the server parses and plans a named one once a connection.
 *
 * A migration may change what a named statement returns; then the names of every connection are void, and new ones are taken.
 */
import { sqlStateOf } from '@sluice/postgres'
import pg, { type QueryConfig } from 'pg'

/** An application that puts values into its text makes a new one each time; those beyond the limit stay without a name. */
const NAMES_MAX = 200

export class StatementNames {
  readonly #names = new Map<string, string>()
  readonly #isUsed: boolean
  #generation = 1

  /** @param isUsed False behind a pooler, where the session that knows a name is not the one that is asked next. */
  constructor(isUsed: boolean) {
    this.#isUsed = isUsed
  }

  /** The statement with its name, if it has one. */
  named(text: string, values: readonly unknown[]): QueryConfig {
    let name = this.#names.get(text)
    if (name === undefined && this.#isUsed && this.#names.size < NAMES_MAX) {
      name = `g${this.#generation}_${this.#names.size + 1}`
      this.#names.set(text, name)
    }
    return { text, values: [...values], ...(name === undefined ? {} : { name }) }
  }

  /** True if the error says that names are void; the statement did nothing, and has a new one from now on. */
  renewAfter(error: unknown): boolean {
    if (!isStalePlan(error)) return false
    this.#names.clear()
    this.#generation += 1
    return true
  }
}

/** "cached plan must not change result type": told by the place in PostgreSQL's source, since messages are translated. */
function isStalePlan(error: unknown): boolean {
  return error instanceof pg.DatabaseError && sqlStateOf(error) === '0A000' && error.routine === 'RevalidateCachedQuery'
}

/** How the manager looks at a server: beside the pool, so that it is answered when that is exhausted. */
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import pg from 'pg'

/** A question that takes its time (the size of a large database) leaves room for the others. */
const CONNECTIONS_MAX = 2

export class MonitorConnection {
  readonly #target: PostgresTarget
  readonly #pool: pg.Pool

  constructor(target: PostgresTarget, config: pg.ClientConfig) {
    this.#target = target
    this.#pool = new pg.Pool({ ...config, max: CONNECTIONS_MAX })
    this.#pool.on('error', () => undefined)
    this.#pool.on('connect', (client) => client.on('error', () => undefined))
  }

  /** The only row. @throws SluiceError SLU-2001 to SLU-2004 */
  async ask<Row extends pg.QueryResultRow>(text: string): Promise<Row> {
    try {
      const { rows } = await this.#pool.query<Row>(text)
      const [row] = rows
      if (row === undefined) throw new Error('a question of the manager has one row as its answer')
      return row
    } catch (error) {
      throw toPostgresError(error, this.#target)
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}

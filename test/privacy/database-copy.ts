/** A copy of a test's database, which can be put in its place again: what a backup and its restore are to Sluice. */
import { databaseUrl, dropMarkedDatabase, markDatabase } from '@sluice/infra'
import pg from 'pg'

export class DatabaseCopy {
  /** Of the server's own database, since nobody may be connected to one that is copied. */
  readonly #serverUrl: string
  readonly #name: string
  readonly #original: string
  readonly #label: string

  private constructor(url: string, label: string) {
    this.#serverUrl = databaseUrl(url, 'postgres')
    this.#original = decodeURIComponent(new URL(url).pathname.slice(1))
    this.#name = `${this.#original}_copy`
    this.#label = label
  }

  /** @param url of a database that nobody is connected to */
  static async take(url: string, label: string): Promise<DatabaseCopy> {
    const copy = new DatabaseCopy(url, label)
    await copy.#create(copy.#name, copy.#original)
    return copy
  }

  /** The original is dropped, with what became of it since, and made from the copy. */
  async restore(): Promise<void> {
    await dropMarkedDatabase(this.#serverUrl, this.#original)
    await this.#create(this.#original, this.#name)
  }

  async drop(): Promise<void> {
    await dropMarkedDatabase(this.#serverUrl, this.#name)
  }

  async #create(name: string, template: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#serverUrl })
    await client.connect()
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(template)}`)
      await markDatabase(client, name, this.#label)
    } finally {
      await client.end()
    }
  }
}

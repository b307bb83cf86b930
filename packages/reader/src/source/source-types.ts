/**
 * Names of the source's types, since a relation of the stream has only their numbers: those of the catalog when the reader began,
 * and those that the stream tells, where the catalog is older than the change or newer.
 */
import type { TypeMessage } from '@sluice/pgoutput'
import type { ClientBase } from 'pg'

export class SourceTypes {
  readonly #names: Map<number, string>

  constructor(names: Iterable<readonly [oid: number, name: string]>) {
    this.#names = new Map(names)
  }

  /** @param client Its search path must be empty, so that types are qualified. */
  static async read(client: ClientBase): Promise<SourceTypes> {
    const { rows } = await client.query<{ oid: number; name: string }>(
      `SELECT oid::int8::float8 AS oid, pg_catalog.format_type(oid, NULL) AS name FROM pg_catalog.pg_type`,
    )
    return new SourceTypes(rows.map(({ oid, name }) => [oid, name]))
  }

  learn({ oid, schema, name }: TypeMessage): void {
    // PostgreSQL names the type of an array after its element, with a low line before it.
    const text = name.startsWith('_') ? `${schema}.${name.slice(1)}[]` : `${schema}.${name}`
    if (!this.#names.has(oid)) this.#names.set(oid, text)
  }

  /** As `format_type` writes it, without a modifier. */
  nameOf(oid: number): string {
    return this.#names.get(oid) ?? `type ${oid}`
  }
}

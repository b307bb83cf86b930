/**
 * How much of a verification is done, in bytes of the services' tables: the time that a table takes is about in proportion to them, and
 * what the source holds of it is about as much.
 */
import { partitionTree } from '@sluice/postgres'
import { APPLICATION_TABLES } from '@sluice/system'
import type { ServicePoint } from './comparison-point.ts'

/** With TOAST; of a partitioned table the sum of its partitions, and a page for a table without rows. No lock outlives the query. */
const TABLE_BYTES = `
SELECT t.schema, t.name, (SELECT sum(pg_table_size(p.relid)) + current_setting('block_size')::int
  FROM ${partitionTree('t.oid')} AS p)::float8 AS bytes
FROM (${APPLICATION_TABLES}) AS t`

export interface ComparedTable {
  readonly service: string
  readonly schema: string
  readonly table: string
}

export class ComparedBytes {
  readonly total: number
  readonly #sizes: ReadonlyMap<string, number>
  #done = 0

  private constructor(sizes: ReadonlyMap<string, number>, wanted: readonly ComparedTable[]) {
    this.#sizes = sizes
    this.total = wanted.reduce((sum, table) => sum + this.#sizeOf(table), 0)
  }

  /** @param wanted Tables that will be compared. */
  static async measure(
    services: ReadonlyMap<string, Pick<ServicePoint, 'session'>>,
    wanted: readonly ComparedTable[],
  ): Promise<ComparedBytes> {
    const sizes = new Map<string, number>()
    for (const [service, { session }] of services) {
      const rows = await session.query<{ schema: string; name: string; bytes: number }>(TABLE_BYTES)
      for (const { schema, name, bytes } of rows) sizes.set(nameOf({ service, schema, table: name }), bytes)
    }
    return new ComparedBytes(sizes, wanted)
  }

  /** Bytes of all tables so far, with this one. */
  add(table: ComparedTable): number {
    this.#done += this.#sizeOf(table)
    return this.#done
  }

  /** A table that the service lacks takes no time. */
  #sizeOf(table: ComparedTable): number {
    return this.#sizes.get(nameOf(table)) ?? 0
  }
}

function nameOf({ service, schema, table }: ComparedTable): string {
  return `${service}.${schema}.${table}`
}

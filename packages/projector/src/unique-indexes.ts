/** Unique and exclusion indexes of the tables that projections write. */
import type { TableMapping } from '@sluice/system'
import type { ClientBase } from 'pg'

export interface UniqueIndex {
  readonly name: string
  /** `schema.table` */
  readonly table: string
  /** Plain columns; what an expression reads is not among them. */
  readonly columns: readonly string[]
  readonly isExclusion: boolean
}

/** @param mappings A target may come more than once. */
export async function readUniqueIndexes(
  client: ClientBase,
  mappings: readonly Pick<TableMapping, 'targetSchema' | 'target'>[],
): Promise<readonly UniqueIndex[]> {
  const { rows } = await client.query<UniqueIndex>(
    `SELECT x.relname AS name, n.nspname || '.' || c.relname AS table, i.indisexclusion AS "isExclusion",
       array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])) AS columns
     FROM (SELECT DISTINCT s, t FROM unnest($1::text[], $2::text[]) AS w (s, t)) AS wanted
     JOIN pg_namespace n ON n.nspname = wanted.s
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.t
     JOIN pg_index i ON i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
     JOIN pg_class x ON x.oid = i.indexrelid
     ORDER BY 2, 1`,
    [mappings.map((m) => m.targetSchema), mappings.map((m) => m.target)],
  )
  return rows
}

/** False for an index that holds the whole key: two rows can only meet in it if they are one. */
export function reachesOverKeys({ columns, isExclusion }: UniqueIndex, key: readonly string[]): boolean {
  return isExclusion || key.length === 0 || !key.every((column) => columns.includes(column))
}

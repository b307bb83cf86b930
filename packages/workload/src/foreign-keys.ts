/** Which tables refer to a table, as the monolith's catalog has it. */
import pg from 'pg'
import { type TableName, quotedTable } from './quoted-table.ts'

/** Names are quoted for SQL. */
export interface ForeignKey {
  readonly child: string
  readonly columns: readonly string[]
  /** Columns of the table that is referred to, in the same order. */
  readonly parentColumns: readonly string[]
}

/** Foreign keys that a deleted row would break or follow; those that set NULL or the default hinder nothing. */
export async function foreignKeysTo(client: pg.ClientBase, table: TableName): Promise<readonly ForeignKey[]> {
  const columns = (relation: string, numbers: string): string =>
    `ARRAY(SELECT quote_ident(a.attname) FROM unnest(${numbers}) WITH ORDINALITY AS n(attnum, place)
           JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = n.attnum ORDER BY n.place)`
  const { rows } = await client.query<ForeignKey>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS child, ${columns('k.conrelid', 'k.conkey')} AS columns,
            ${columns('k.confrelid', 'k.confkey')} AS "parentColumns"
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = $1::regclass AND k.confdeltype NOT IN ('n', 'd')
     ORDER BY k.conname`,
    [quotedTable(table)],
  )
  return rows
}

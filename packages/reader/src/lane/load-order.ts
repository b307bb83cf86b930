/** The order of an initial load: a table after those that its foreign keys refer to, so that a service can apply it as it comes. */
import type { ClientBase } from 'pg'

/** A table, and one that it refers to. */
export interface TableReference {
  readonly table: string
  readonly refersTo: string
}

/** Foreign keys between the tables; those of a table to itself are not among them. */
export async function readReferences(client: ClientBase, tables: readonly string[]): Promise<readonly TableReference[]> {
  const { rows } = await client.query<{ child: string; parent: string }>(
    `SELECT DISTINCT cn.nspname || '.' || c.relname AS child, pn.nspname || '.' || p.relname AS parent
     FROM pg_catalog.pg_constraint k
     JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
     JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
     JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
     JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
       AND cn.nspname || '.' || c.relname = ANY ($1::text[]) AND pn.nspname || '.' || p.relname = ANY ($1::text[])`,
    [tables],
  )
  return rows.map((row) => ({ table: row.child, refersTo: row.parent }))
}

/** Parents first; otherwise in the given order. Of a ring of references one is left out: the first table of it goes first. */
export function loadOrder(tables: readonly string[], references: readonly TableReference[]): readonly string[] {
  const ordered: string[] = []
  const visited = new Set<string>()
  const visit = (table: string): void => {
    if (visited.has(table)) return
    visited.add(table)
    for (const reference of references) if (reference.table === table) visit(reference.refersTo)
    ordered.push(table)
  }
  for (const table of tables) visit(table)
  return ordered
}

/** What is in a database: whether it is empty decides if anything of it must be kept. */
import type { ClientBase } from 'pg'

/**
 * Names of tables, views, sequences, functions, types and schemas but `public`, up to `limit` of them; what belongs to an extension does
 * not count.
 */
export async function objectsIn(client: ClientBase, limit: number): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `WITH own (classid, oid, namespace, name) AS (
       SELECT 'pg_class'::regclass, oid, relnamespace, relname FROM pg_catalog.pg_class WHERE relpersistence <> 't'
       UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace, proname FROM pg_catalog.pg_proc
       UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace, typname FROM pg_catalog.pg_type)
     SELECT n.nspname || '.' || o.name AS name FROM own o JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.classid AND d.objid = o.oid AND d.deptype IN ('e', 'i'))
     UNION ALL SELECT nspname FROM pg_catalog.pg_namespace n
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
     ORDER BY 1 LIMIT $1`,
    [limit],
  )
  return rows.map(({ name }) => name)
}

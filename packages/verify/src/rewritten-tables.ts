/**
 * Tables that were truncated or rewritten after a snapshot was taken. Neither is hidden by it as other changes are: a transaction
 * that reads the table afterwards finds it empty, or without rows that it should see.
 *
 * https://www.postgresql.org/docs/17/mvcc-caveats.html
 */
import type { SnapshotSession } from './snapshot-session.ts'

/**
 * Among the tables that the session has read and still holds a lock on, those whose file is not the one that the snapshot knows,
 * as `schema.table`. The locks keep others from being added before what was read is used.
 */
export async function rewrittenTables(session: SnapshotSession): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    `SELECT DISTINCT n.nspname || '.' || c.relname AS name
     FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
       AND c.relkind IN ('r', 'm') AND n.nspname <> 'pg_catalog'
       AND c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
     ORDER BY 1`,
  )
  return rows.map((row) => row.name)
}

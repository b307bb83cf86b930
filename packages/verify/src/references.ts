/**
 * Foreign keys between the tables that projections fill, counted in the service's snapshot. PostgreSQL holds them for whoever writes
 * in the usual way; a key that is NOT VALID, or a session that replicates, lets a row refer to nothing.
 */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import { rewrittenTables } from './rewritten-tables.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import { tableName } from './expected-table.ts'
import type { ReferenceReport } from './verify-report.ts'

interface ForeignKey {
  readonly name: string
  readonly schema: string
  readonly table: string
  readonly columns: readonly string[]
  readonly target_schema: string
  readonly target: string
  readonly target_columns: readonly string[]
}

/** Names as text: `name[]` has no parser of its own in the driver. A partition's copy of a key is left out. */
const FOREIGN_KEYS = `
SELECT k.conname AS name, n.nspname AS schema, c.relname AS table, fn.nspname AS target_schema, f.relname AS target,
  (SELECT array_agg(a.attname::text ORDER BY i) FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, i)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
  (SELECT array_agg(a.attname::text ORDER BY i) FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, i)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS target_columns
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class f ON f.oid = k.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0
ORDER BY 2, 3, 1`

/** @param compared Names of tables, as reports have them; a key is counted if both its tables are among them. */
export async function countReferences(
  session: SnapshotSession,
  compared: ReadonlySet<string>,
): Promise<readonly ReferenceReport[]> {
  const keys = await session.query<ForeignKey>(FOREIGN_KEYS)
  const reports: ReferenceReport[] = []
  for (const key of keys) {
    const report = {
      constraint: key.name,
      table: tableName(key.schema, key.table),
      references: tableName(key.target_schema, key.target),
    }
    if (!compared.has(report.table) || !compared.has(report.references)) continue
    // The locks are given back with the savepoint, so a rewritten table is looked for before.
    const { rows, orphans, rewritten } = await session.guarded(async () => ({
      ...(await countRows(session, key)),
      rewritten: await rewrittenTables(session),
    }))
    if (rewritten.length > 0) reports.push({ ...report, rows: 0, orphans: 0, status: 'unverifiable' })
    else reports.push({ ...report, rows, orphans, status: orphans === 0 ? 'kept' : 'broken' })
  }
  return reports
}

/** A row with NULL in one of the columns refers to nothing (MATCH SIMPLE; MATCH FULL has NULL in all of them). */
async function countRows(
  session: SnapshotSession,
  key: ForeignKey,
): Promise<{ readonly rows: number; readonly orphans: number }> {
  const columns = key.columns.map((name) => `c.${quoteIdentifier(name)}`)
  const targets = key.target_columns.map((name) => `t.${quoteIdentifier(name)}`)
  const [counts] = await session.query<{ rows: string; kept: string }>(
    `SELECT count(*) AS rows, count(${targets[0]!}) AS kept
     FROM ${quoteQualified(key.schema, key.table)} AS c
     LEFT JOIN ${quoteQualified(key.target_schema, key.target)} AS t ON ${columns.map((column, i) => `${column} = ${targets[i]!}`).join(' AND ')}
     WHERE ${columns.map((column) => `${column} IS NOT NULL`).join(' AND ')}`,
  )
  const rows = Number(counts!.rows)
  return { rows, orphans: rows - Number(counts!.kept) }
}

/** Rows that the publication of the monolith's lane leaves out never reach a service, so none is expected there. */
import { type SystemDefinition, lanesOf } from '@sluice/system'
import { MONOLITH } from './point-scope.ts'
import type { SnapshotSession } from './snapshot-session.ts'

/** SQL over a table's columns, by the table's qualified name; a table that is not among them is sent whole. */
export type RowFilters = ReadonlyMap<string, string>

/** As PostgreSQL prints it for this session, which it must be used in. */
const ROW_FILTERS = `
  SELECT n.nspname || '.' || c.relname AS name, pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS filter
  FROM pg_catalog.pg_publication_rel r
  JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
  JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE p.pubname = $1 AND r.prqual IS NOT NULL`

export async function readRowFilters(source: SnapshotSession | undefined, system: SystemDefinition): Promise<RowFilters> {
  const lane = lanesOf(system).find((l) => l.source === MONOLITH)
  if (!source || !lane) return new Map()
  const rows = await source.query<{ name: string; filter: string }>(ROW_FILTERS, [lane.publicationName])
  return new Map(rows.map((row) => [row.name, row.filter]))
}

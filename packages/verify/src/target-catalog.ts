/** What the service's catalog says of a target table: its columns, and the type to which an expected value is brought. */
import { quoteQualified } from '@sluice/core'
import { APPLICATION_TABLES } from '@sluice/system'
import { rewrittenTables } from './rewritten-tables.ts'
import type { SnapshotSession } from './snapshot-session.ts'

export interface TargetColumn {
  readonly name: string
  /**
   * Turns the SQL of an expected value into SQL of the text that the column would hold. It rounds and normalises as the
   * column's type does, but never cuts: a longer text than the column allows must show as a difference.
   */
  readonly asText: (value: string) => string
}

interface CatalogRow {
  readonly name: string
  /** PostgreSQL's name of the column's type, of a domain its base type. */
  readonly type: string
  /** The type without its length or precision. */
  readonly bare_type: string
  /** typname in pg_type, `_varchar` for an array. */
  readonly internal: string
  readonly typmod: number
  readonly is_builtin: boolean
}

const COLUMNS = `
WITH RECURSIVE resolved AS (
  SELECT a.attnum, a.attname, a.atttypid AS type_id, a.atttypmod AS typmod
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT r.attnum, r.attname, t.typbasetype, CASE WHEN t.typtypmod = -1 THEN r.typmod ELSE t.typtypmod END
  FROM resolved r JOIN pg_type t ON t.oid = r.type_id WHERE t.typtype = 'd'
)
SELECT r.attname AS name, format_type(t.oid, r.typmod) AS type, format_type(t.oid, -1) AS bare_type, t.typname AS internal,
  r.typmod, t.typnamespace = 'pg_catalog'::regnamespace AS is_builtin
FROM resolved r JOIN pg_type t ON t.oid = r.type_id
WHERE t.typtype <> 'd' ORDER BY r.attnum`

/** Columns in table order; empty if the service has no such table. */
export async function targetColumns(session: SnapshotSession, schema: string, table: string): Promise<readonly TargetColumn[]> {
  const rows = await session.query<CatalogRow>(COLUMNS, [schema, table])
  return rows.map((row) => ({ name: row.name, asText: (value) => comparableText(row, value) }))
}

/** Types whose length cuts in an explicit cast, and their arrays. */
const CUTTING = new Set(['varchar', 'bpchar', 'bit', 'varbit'].flatMap((name) => [name, `_${name}`]))

function comparableText(column: CatalogRow, value: string): string {
  // The monolith does not have the service's own types: there the value travels as text anyway.
  if (!column.is_builtin) return `(${value})::text`
  if (CUTTING.has(column.internal)) return `(${value})::${column.bare_type}::text`
  if (column.internal === 'numeric' && column.typmod !== -1) {
    // Not a cast to numeric(p,s): a value that does not fit would end the query, where it is a row that differs.
    return `round((${value})::numeric, ${scaleOf(column.typmod)})::text`
  }
  return `(${value})::${column.type}::text`
}

/** The scale in a numeric's typmod, 11 bits with sign (`numeric_typmod_scale` in PostgreSQL's numeric.c). */
export function scaleOf(typmod: number): number {
  return (((typmod - 4) & 0x7ff) ^ 1024) - 1024
}

/** Every table of the service database that is not Sluice's, and whether it has rows. */
export async function serviceTables(
  session: SnapshotSession,
): Promise<readonly { readonly schema: string; readonly name: string; readonly hasRows: boolean }[]> {
  const tables = await session.query<{ schema: string; name: string }>(
    `SELECT schema, name FROM (${APPLICATION_TABLES}) AS t ORDER BY 1, 2`,
  )
  if (tables.length === 0) return []
  const probes = tables.map(({ schema, name }, i) => `EXISTS (SELECT 1 FROM ${quoteQualified(schema, name)}) AS t${i}`)
  const [found] = await session.query<Record<string, boolean>>(`SELECT ${probes.join(', ')}`)
  // A table that was truncated since may have had rows.
  const rewritten = new Set(await rewrittenTables(session))
  return tables.map((table, i) => ({
    ...table,
    hasRows: found?.[`t${i}`] === true || rewritten.has(`${table.schema}.${table.name}`),
  }))
}

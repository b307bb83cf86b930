/** What the source's catalog says of the tables of a lane. No lock on them is taken: the source may be changing them. */
import { partitionTree } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import type { PublishedTable } from './published-tables.ts'

export interface CatalogColumn {
  readonly name: string
  /** As PostgreSQL writes it with nothing on the search path: `numeric(14,2)`, `public.status`. */
  readonly type: string
  /** Without a type modifier; a cast to it cuts nothing off. */
  readonly baseType: string
  readonly isNotNull: boolean
  /** How PostgreSQL computes it; null for a column that is written. */
  readonly generated: 'stored' | 'virtual' | null
  /** False: it is in the stream of no publication of this server. */
  readonly isPublishable: boolean
  /** Schema and name, where the column has a collation. */
  readonly collation: readonly [schema: string, name: string] | null
}

export interface CatalogTable {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `r` table, `p` partitioned table; a view or foreign table has no WAL. */
  readonly kind: string
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly replicaIdentity: string
  readonly identityIsPrimaryKey: boolean
  readonly primaryKey: readonly string[]
  readonly isKeyDeferrable: boolean
  /** The planner's estimate; 0 where it has none. */
  readonly estimatedRows: number
  /** SQL over its columns that a row must fulfil to be in the stream; null: every row is. */
  readonly rowFilter: string | null
  /** Every old row is in the WAL whole: that of each partition too. */
  readonly isIdentityFull: boolean
  readonly columns: ReadonlyMap<string, CatalogColumn>
}

interface TableRow {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly replica_identity: string
  readonly identity_is_key: boolean
  readonly key: string[] | null
  readonly is_deferrable: boolean
  readonly estimated_rows: number
  readonly is_identity_full: boolean
}

interface ColumnRow {
  readonly oid: number
  readonly name: string
  readonly type: string
  readonly base_type: string
  readonly is_not_null: boolean
  readonly generated: 'stored' | 'virtual' | null
  readonly is_publishable: boolean
  readonly collation_schema: string | null
  readonly collation_name: string | null
}

const TABLES = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
    c.relreplident::text AS replica_identity,
    coalesce(i.indisreplident, false) AS identity_is_key,
    coalesce(NOT i.indimmediate, false) AS is_deferrable,
    greatest(c.reltuples, 0)::float8 AS estimated_rows,
    NOT EXISTS (SELECT FROM ${partitionTree('c.oid')} AS tree
      JOIN pg_catalog.pg_class p ON p.oid = tree.relid WHERE p.relreplident <> 'f') AS is_identity_full,
    (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number) AS key
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN unnest($1::text[], $2::text[]) AS wanted (schema, name) ON wanted.schema = n.nspname AND wanted.name = c.relname
  LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`

const COLUMNS = `
  SELECT a.attrelid::int8::float8 AS oid, a.attname AS name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, pg_catalog.format_type(a.atttypid, -1) AS base_type,
    a.attnotnull AS is_not_null,
    CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END AS generated,
    a.attgenerated = '' OR (a.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000) AS is_publishable,
    cn.nspname AS collation_schema, co.collname AS collation_name
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped`

/**
 * Tables that exist, by qualified name. The connection's search path must be empty, so that types are qualified.
 *
 * @param published What the lane's publication sends of them, as far as it is made.
 */
export async function readCatalog(
  client: ClientBase,
  wanted: readonly { readonly schema: string; readonly name: string }[],
  published: ReadonlyMap<string, PublishedTable>,
): Promise<ReadonlyMap<string, CatalogTable>> {
  const tables = await client.query<TableRow>(TABLES, [wanted.map((t) => t.schema), wanted.map((t) => t.name)])
  const columns = await client.query<ColumnRow>(COLUMNS, [tables.rows.map((t) => t.oid)])
  return new Map(
    tables.rows.map((row) => [
      `${row.schema}.${row.name}`,
      {
        oid: row.oid,
        schema: row.schema,
        name: row.name,
        kind: row.kind,
        replicaIdentity: row.replica_identity,
        identityIsPrimaryKey: row.identity_is_key,
        primaryKey: row.key ?? [],
        isKeyDeferrable: row.is_deferrable,
        estimatedRows: row.estimated_rows,
        rowFilter: published.get(`${row.schema}.${row.name}`)?.rowFilter ?? null,
        isIdentityFull: row.is_identity_full,
        columns: new Map(columns.rows.filter((c) => c.oid === row.oid).map((c) => [c.name, columnOf(c)])),
      },
    ]),
  )
}

function columnOf(row: ColumnRow): CatalogColumn {
  const { collation_schema: schema, collation_name: name } = row
  return {
    name: row.name,
    type: row.type,
    baseType: row.base_type,
    isNotNull: row.is_not_null,
    generated: row.generated,
    isPublishable: row.is_publishable,
    collation: schema === null || name === null ? null : [schema, name],
  }
}

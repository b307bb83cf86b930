/** What a database holds that a restore has to find again, read in the snapshot that is dumped. */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { BackedUpTable, BackupManifest } from './manifest.ts'

export type BackupContents = Pick<BackupManifest, 'tables' | 'indexes' | 'extensions' | 'roles' | 'positions'>

/** Of a relation `c` in the schema `n`: what is not temporary, of the server itself, or of an extension. */
const IS_DUMPED = `c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

export interface TableName extends Pick<BackedUpTable, 'schema' | 'name'> {
  readonly oid: string
}

/** @param onTable Called before the rows of each table are counted. */
export async function readContents(
  client: ClientBase,
  tables: readonly TableName[],
  onTable: (counted: number) => void,
): Promise<BackupContents> {
  const { rows: extensions } = await client.query<{ name: string; version: string }>(
    `SELECT extname AS name, extversion AS version FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`,
  )
  // Owners are left out: what is restored belongs to who restores it. Those of default privileges are named in the dump all the same.
  const { rows: roles } = await client.query<{ name: string }>(
    `SELECT DISTINCT r.rolname AS name FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
     WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
       AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
       AND (d.deptype IN ('a', 'r') OR d.classid = 'pg_catalog.pg_default_acl'::regclass) AND r.rolname !~ '^pg_' ORDER BY 1`,
  )
  return {
    tables: await countRows(client, tables, onTable),
    indexes: await countIndexes(client),
    extensions,
    roles: roles.map(({ name }) => name),
    positions: await readPositions(client),
  }
}

/** Tables whose rows are dumped: partitions by themselves, none of an extension's. */
export async function readTables(client: ClientBase): Promise<readonly TableName[]> {
  const { rows } = await client.query<TableName>(
    `SELECT n.nspname AS schema, c.relname AS name, c.oid::text AS oid
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND ${IS_DUMPED} ORDER BY 1, 2`,
  )
  return rows
}

/** Bytes of each table's rows and large values on the server's disk, in their order. Waits for a change of a table's structure. */
export async function measureTables(client: ClientBase, tables: readonly TableName[]): Promise<readonly number[]> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT coalesce(pg_catalog.pg_table_size(t.oid), 0)::text AS bytes
     FROM unnest($1::oid[]) WITH ORDINALITY AS t (oid, n) ORDER BY t.n`,
    [tables.map(({ oid }) => oid)],
  )
  return rows.map(({ bytes }) => Number(bytes))
}

/** What a restore makes after the rows: indexes, those of keys with them, and foreign keys, which partitions have from their table. */
async function countIndexes(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ indexes: number }>(
    `SELECT (SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = ANY (d.tables))::int
       + (SELECT count(*) FROM pg_catalog.pg_constraint k
          WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY (d.tables))::int AS indexes
     FROM (SELECT ARRAY(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'm') AND ${IS_DUMPED}) AS tables) AS d`,
  )
  return rows[0]!.indexes
}

export async function countRows(
  client: ClientBase,
  tables: readonly Pick<BackedUpTable, 'schema' | 'name'>[],
  onTable: (counted: number) => void,
): Promise<BackupContents['tables']> {
  const counted: BackupContents['tables'] = []
  for (const { schema, name } of tables) {
    onTable(counted.length)
    const { rows } = await client.query<{ rows: string }>(
      `SELECT count(*)::text AS rows FROM ONLY ${quoteQualified(schema, name)}`,
    )
    counted.push({ schema, name, rows: BigInt(rows[0]!.rows) })
  }
  return counted
}

/** Of a service what its projector has applied, of the pipeline database what its readers have stored; else none. */
async function readPositions(client: ClientBase): Promise<BackupContents['positions']> {
  for (const [table, column] of [
    ['projector_positions', 'applied_position'],
    ['lanes', 'position'],
  ] as const) {
    // A service's own table may have the name `lanes`: Sluice's has an epoch.
    const { rowCount } = await client.query(
      `SELECT FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'epoch'`,
      [`public.${table}`],
    )
    if (rowCount === 0) continue
    const { rows } = await client.query<{ lane: string; epoch: string; position: string }>(
      `SELECT lane_name AS lane, epoch::text, ${quoteIdentifier(column)}::text AS position FROM public.${table} ORDER BY 1`,
    )
    return rows.map(({ lane, epoch, position }) => ({ lane, epoch, position: BigInt(position) }))
  }
  return []
}

/** What a database holds that a restore has to find again, read in the snapshot that is dumped. */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { BackupManifest } from './manifest.ts'

export type BackupContents = Pick<BackupManifest, 'tables' | 'extensions' | 'roles' | 'positions'>

type TableName = Pick<BackupContents['tables'][number], 'schema' | 'name'>

/** @param onTable Called before the rows of each table are counted. */
export async function readContents(client: ClientBase, onTable: (done: number, of: number) => void): Promise<BackupContents> {
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
    tables: await countRows(client, await readTables(client), onTable),
    extensions,
    roles: roles.map(({ name }) => name),
    positions: await readPositions(client),
  }
}

/** Tables whose rows are dumped: partitions by themselves, none of an extension's. */
export async function readTables(client: ClientBase): Promise<readonly TableName[]> {
  const { rows } = await client.query<TableName>(
    `SELECT n.nspname AS schema, c.relname AS name
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     ORDER BY 1, 2`,
  )
  return rows
}

export async function countRows(
  client: ClientBase,
  tables: readonly TableName[],
  onTable: (done: number, of: number) => void,
): Promise<BackupContents['tables']> {
  const counted: BackupContents['tables'] = []
  for (const { schema, name } of tables) {
    onTable(counted.length, tables.length)
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

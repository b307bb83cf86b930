/** Checks of a service database: Sluice's tables, the targets of its projections, and the rights on both. */
import type { HealthCheck } from '@sluice/core'
import { type SystemDefinition, writtenTables } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'

const SLUICE_TABLES = ['processed_events', 'projector_positions', 'consumed_offsets', 'parked_events', 'projector_barriers']
const RIGHTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE']

interface TableRow {
  readonly schema: string
  readonly name: string
  readonly found: boolean
  readonly lacking: string[] | null
  readonly role: string
}

export async function checkServiceTables(
  prefix: string,
  client: ClientBase,
  system: SystemDefinition,
  service: string,
): Promise<readonly HealthCheck[]> {
  const definition = system.services[service]
  const targets = definition ? writtenTables(definition) : []
  const wanted = [...SLUICE_TABLES.map((name) => ({ schema: 'public', name })), ...targets]
  const { rows } = await client.query<TableRow>(
    `SELECT w.schema, w.name, c.oid IS NOT NULL AS found, current_user::text AS role,
       (SELECT array_agg(p) FROM unnest($3::text[]) AS p WHERE NOT pg_catalog.has_table_privilege(c.oid, p)) AS lacking
     FROM unnest($1::text[], $2::text[]) AS w (schema, name)
     LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
     LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name`,
    [wanted.map((t) => t.schema), wanted.map((t) => t.name), RIGHTS],
  )
  return [migratedCheck(prefix, rows), ...privilegeChecks(prefix, rows)]
}

function migratedCheck(prefix: string, rows: readonly TableRow[]): HealthCheck {
  const name = `${prefix}.tables`
  const missing = rows.filter((r) => !r.found).map((r) => `${r.schema}.${r.name}`)
  if (missing.length === 0) return ok(name, `all ${rows.length} tables exist`)
  return warning(name, {
    summary: `tables are missing: ${missing.join(', ')}`,
    fix: [`sluice provision --service ${prefix.replace(/^service\./, '')}`],
    code: 'SLU-5001',
  })
}

function privilegeChecks(prefix: string, rows: readonly TableRow[]): readonly HealthCheck[] {
  return rows.flatMap((row) =>
    row.found && row.lacking !== null
      ? [
          failed(`${prefix}.privileges`, {
            summary: `role "${row.role}" lacks ${row.lacking.join(', ')} on ${row.schema}.${row.name}`,
            fix: [`GRANT ${row.lacking.join(', ')} ON ${row.schema}.${row.name} TO "${row.role}";`],
            code: 'SLU-2003',
          }),
        ]
      : [],
  )
}

export async function checkCommitTimestamps(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ setting: string }>(`SELECT current_setting('track_commit_timestamp') AS setting`)
  return rows[0]!.setting
}

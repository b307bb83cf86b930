/** Which tables of a monolith or a service database are the application's, and not Sluice's; the same for whoever asks. */
import { quoteLiteral } from '@sluice/core'
import { PROJECTOR_TABLES } from './checks/projector-tables.ts'
import { outboxTable } from './outbox-definition.ts'
import type { ServiceDefinition } from './system-definition.ts'

/** Where it is remembered which migrations of Sluice, of a service and of a sample monolith were applied. */
const MIGRATION_TABLES = ['sluice_migrations', 'service_migrations', 'sluice_monolith_migrations', 'sluice_outbox_migrations']

const SLUICE_TABLES = [...PROJECTOR_TABLES, ...MIGRATION_TABLES].map(quoteLiteral).join(', ')

/**
 * SELECT of `oid`, `schema` and `name` of the application's tables, without an order: of a partitioned table its root, none of an extension,
 * none that is temporary. An outbox is among them.
 */
export const APPLICATION_TABLES = `
  SELECT c.oid, n.nspname AS schema, c.relname AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'sluice')
    AND NOT (n.nspname = 'public' AND c.relname IN (${SLUICE_TABLES}))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

/** Those that the service fills by itself, with its outbox: `public.access_audit`. Nothing of a monolith says what is in them. */
export function ownTablesOf({ ownTables = [], outbox }: Pick<ServiceDefinition, 'ownTables' | 'outbox'>): ReadonlySet<string> {
  const own = outbox ? [outboxTable(outbox)].map(({ schema, name }) => `${schema}.${name}`) : []
  return new Set([...ownTables.map(withSchema), ...own])
}

/** `access_audit` is `public.access_audit`. */
export function withSchema(table: string): string {
  return table.includes('.') ? table : `public.${table}`
}

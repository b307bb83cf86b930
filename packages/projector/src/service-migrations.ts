/** The migrations of a service database: Sluice's own tables, then the service's. */
import { type MigrationSet, type PostgresTarget, migrate, pendingMigrations } from '@sluice/postgres'
import type { ServiceDefinition } from '@sluice/system'

/** Sluice's own tables in a service database. */
export const PROJECTOR_MIGRATIONS: MigrationSet = {
  folder: new URL('../migrations/', import.meta.url),
  table: 'sluice_migrations',
}

/** The service's own tables. */
export function ownMigrations(service: Pick<ServiceDefinition, 'migrations'>): MigrationSet {
  return { folder: service.migrations, table: 'service_migrations' }
}

function setsOf(service: Pick<ServiceDefinition, 'migrations'>): readonly MigrationSet[] {
  return [PROJECTOR_MIGRATIONS, ownMigrations(service)]
}

/** Applies what is pending. @throws SluiceError SLU-5030, SLU-2001 to SLU-2003 */
export async function migrateService(
  target: PostgresTarget,
  service: Pick<ServiceDefinition, 'migrations'>,
): Promise<{ readonly applied: readonly string[] }> {
  const applied: string[] = []
  for (const set of setsOf(service)) applied.push(...(await migrate(target, set)).applied)
  return { applied }
}

/** Names of the migrations that `migrateService` would apply; changes nothing. */
export async function pendingServiceMigrations(
  target: PostgresTarget,
  service: Pick<ServiceDefinition, 'migrations'>,
): Promise<readonly string[]> {
  const pending: string[] = []
  for (const set of setsOf(service)) pending.push(...(await pendingMigrations(target, set)))
  return pending
}

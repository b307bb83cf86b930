/** The migrations of a service database: Sluice's own tables, then the service's. */
import { type PostgresTarget, migrate, pendingMigrations } from '@sluice/postgres'
import type { ServiceDefinition } from '@sluice/system'

const OWN = { folder: new URL('../migrations/', import.meta.url), table: 'sluice_migrations' }

function setsOf(service: Pick<ServiceDefinition, 'migrations'>): readonly { readonly folder: URL; readonly table: string }[] {
  return [OWN, { folder: service.migrations, table: 'service_migrations' }]
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

/** The pipeline database's tables, as plain SQL migrations. */
import { SluiceError } from '@sluice/core'
import { type MigrationSet, type PostgresTarget, migrate, pendingMigrations } from '@sluice/postgres'

export const STORE_MIGRATIONS: MigrationSet = {
  folder: new URL('../migrations/', import.meta.url),
  table: 'sluice_store_migrations',
}

/**
 * Brings the pipeline database's tables up to date.
 *
 * @throws SluiceError SLU-5030, SLU-2001 to SLU-2003
 */
export async function migrateStore(target: PostgresTarget): Promise<{ applied: readonly string[] }> {
  return migrate(target, STORE_MIGRATIONS)
}

/** @throws SluiceError SLU-3001 if a migration of the store is pending. */
export async function assertStoreMigrated(target: PostgresTarget): Promise<void> {
  const pending = await pendingMigrations(target, STORE_MIGRATIONS)
  if (pending.length === 0) return
  throw new SluiceError('STORE_NOT_PROVISIONED', {
    what: `the pipeline database (${target.display}) is not ready`,
    why: `${pending.length} of its migrations are pending, the first is ${pending[0] ?? ''}`,
    ways: ['sluice provision'],
  })
}

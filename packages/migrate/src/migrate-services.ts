/**
 * Brings the databases of services up to date, one after the other. The first that fails ends it: those before it stay as they are now,
 * those after it were not begun. Each set of a database is one transaction, so a service that failed keeps the sets before the failed one.
 */
import { type SluiceError, toSluiceError } from '@sluice/core'
import { migrate, pendingMigrations } from '@sluice/postgres'
import { type ServiceDatabase, everySet } from './service-database.ts'

export interface ServiceMigration {
  readonly service: string
  readonly outcome: 'migrated' | 'up to date' | 'planned' | 'failed' | 'not begun'
  /** Names of what was applied, or, planned, would be. */
  readonly migrations: readonly string[]
  /** Set where it failed. */
  readonly error: SluiceError | null
}

export interface MigrateServicesOptions {
  readonly services: readonly ServiceDatabase[]
  /** Tells what would be applied and changes nothing. */
  readonly isDryRun: boolean
  /** Aborted: the service at hand is finished, and no further one begun. */
  readonly signal: AbortSignal
  /** Called before each service, with the number of those before it. */
  readonly onService?: (service: string, done: number) => void
}

/** One for each service, in their order. */
export async function migrateServices(options: MigrateServicesOptions): Promise<readonly ServiceMigration[]> {
  const outcomes: ServiceMigration[] = []
  for (const database of options.services) {
    const hasFailed = outcomes.some((o) => o.outcome === 'failed')
    if (hasFailed || options.signal.aborted) {
      outcomes.push({ service: database.service, outcome: 'not begun', migrations: [], error: null })
      continue
    }
    options.onService?.(database.service, outcomes.length)
    outcomes.push(await migrateOne(database, options.isDryRun))
  }
  return outcomes
}

async function migrateOne(database: ServiceDatabase, isDryRun: boolean): Promise<ServiceMigration> {
  const { service, target } = database
  const migrations: string[] = []
  try {
    for (const set of everySet(database)) {
      migrations.push(...(isDryRun ? await pendingMigrations(target, set) : (await migrate(target, set)).applied))
    }
    if (migrations.length === 0) return { service, outcome: 'up to date', migrations, error: null }
    return { service, outcome: isDryRun ? 'planned' : 'migrated', migrations, error: null }
  } catch (error) {
    // What is no fault of a server or a file is one of Sluice; the report of what was done must not be lost over it either.
    return { service, outcome: 'failed', migrations, error: toSluiceError(error) }
  }
}

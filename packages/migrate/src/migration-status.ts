/** What is applied and what is pending, service by service; a database that does not answer is one line, not the end. */
import { type SluiceError, isSluiceError } from '@sluice/core'
import { type MigrationState, readMigrations } from '@sluice/postgres'
import { type ServiceDatabase, everySet, serviceSet } from './service-database.ts'

export interface ServiceMigrationStatus extends MigrationState {
  readonly service: string
  /** Pending migrations of Sluice's own tables. */
  readonly sluicePending: readonly string[]
  /** Why the database could not be asked; then nothing else is known. */
  readonly error: SluiceError | null
}

/** In the order of the services. Changes nothing. */
export async function readMigrationStatus(services: readonly ServiceDatabase[]): Promise<readonly ServiceMigrationStatus[]> {
  return Promise.all(services.map(readOne))
}

async function readOne(database: ServiceDatabase): Promise<ServiceMigrationStatus> {
  const { service, target } = database
  const own = serviceSet(database)
  try {
    const state = await readMigrations(target, own)
    const sluicePending: string[] = []
    for (const set of everySet(database)) {
      if (set.table !== own.table) sluicePending.push(...(await readMigrations(target, set)).pending)
    }
    return { service, ...state, sluicePending, error: null }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    return { service, applied: [], pending: [], missing: [], sluicePending: [], error }
  }
}

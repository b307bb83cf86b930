/** What migrations make: seen by applying them to a scratch database. */
import { fileURLToPath } from 'node:url'
import { SluiceError, quoteIdentifier } from '@sluice/core'
import {
  type MigrationState,
  type PostgresTarget,
  migrate,
  migrationNames,
  readMigrations,
  withConnection,
} from '@sluice/postgres'
import { readStructure } from './structure/read-structure.ts'
import { type Structure, without } from './structure/structure.ts'
import { type ServiceDatabase, serviceSet, sluiceSets } from './service-database.ts'

export interface MadeStructure {
  /** Of the service's migrations; also what these add to Sluice's tables. */
  readonly own: Structure
  /** Of Sluice's migrations, with declared extensions: left out of every comparison, since provision and nobody else changes it. */
  readonly sluice: Structure
}

/**
 * Applies Sluice's migrations and then the service's to an empty database.
 *
 * @param count How many of the service's. @default all
 * @throws SluiceError SLU-5030 if one fails there, SLU-5031
 */
export async function makeStructure(scratch: PostgresTarget, database: ServiceDatabase, count?: number): Promise<MadeStructure> {
  await makeBase(scratch, database)
  // None of them: makes the table that remembers them, which is no part of the service.
  await migrate(scratch, serviceSet(database), { count: 0 })
  const sluice = await readStructure(scratch)
  await migrate(scratch, serviceSet(database), count === undefined ? {} : { count })
  return { own: without(await readStructure(scratch), sluice), sluice }
}

/** What stands in a service database before its own migrations: Sluice's tables, and the extensions that provision makes. */
export async function makeBase(scratch: PostgresTarget, database: ServiceDatabase): Promise<void> {
  const { before, after } = sluiceSets(database)
  for (const set of [...before, ...after]) await migrate(scratch, set)
  await withConnection(scratch, { applicationName: 'sluice migrate' }, async (client) => {
    for (const extension of database.definition.extensions ?? []) {
      await client.query(`CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(extension)}`)
    }
  })
}

/**
 * The service's migrations as its database has them: the first ones of its folder.
 *
 * @throws SluiceError SLU-5031 if an applied one has no file, or was applied out of order
 */
export async function appliedInOrder(database: ServiceDatabase): Promise<MigrationState> {
  const set = serviceSet(database)
  const state = await readMigrations(database.target, set)
  const names = await migrationNames(set.folder)
  const at = state.applied.findIndex(({ name }, index) => name !== names[index])
  if (at === -1) return state
  const name = state.applied[at]?.name ?? ''
  throw new SluiceError('MIGRATION_FILE_INVALID', {
    what: `what the migrations of ${database.service} make can not be told`,
    why: names.includes(name)
      ? `${name} is applied to ${database.target.display}, and ${names[at] ?? ''}, which comes before it, is not`
      : `${name} is applied to ${database.target.display}, and there is no such file in ${fileURLToPath(set.folder)}`,
    ways: [`sluice migrate status ${database.service}`],
  })
}

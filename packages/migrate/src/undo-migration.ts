/**
 * Undoes the last migration of one service. That is destructive: what the down section drops is gone. So it is asked for twice, and refused
 * while a projector works on the tables; afterwards the projector of the definition as it is would lack what was undone, and says so itself.
 */
import { SluiceError } from '@sluice/core'
import { readDown, readMigrations, sessionsOf, undoMigration, withConnection } from '@sluice/postgres'
import { type ServiceDatabase, serviceSet } from './service-database.ts'

export interface UndoPlan {
  /** The migration that was applied last. */
  readonly name: string
  readonly appliedAt: Date
  /** Its down section. */
  readonly sql: string
}

/** @throws SluiceError SLU-5031 if none is applied, or the last one has no down section or no file; SLU-2001 to SLU-2004 */
export async function planUndo(database: ServiceDatabase): Promise<UndoPlan> {
  const { service, target } = database
  const last = (await readMigrations(target, serviceSet(database))).applied.at(-1)
  if (!last) {
    throw new SluiceError('MIGRATION_FILE_INVALID', {
      what: `there is no migration of ${service} to undo`,
      why: `none of its own is applied to ${target.display}`,
      ways: [`sluice migrate status ${service}`],
    })
  }
  return { ...last, sql: await readDown(serviceSet(database), last.name) }
}

/** @throws SluiceError SLU-5035 while a projector is connected; SLU-5030 if it failed, which leaves everything as it was; SLU-5031 */
export async function undoLast(database: ServiceDatabase, plan: UndoPlan): Promise<void> {
  const { target } = database
  const projectors = await withConnection(target, { applicationName: 'sluice migrate' }, (client) =>
    sessionsOf(client, target.database, 'sluice projector%'),
  )
  if (projectors.length > 0) {
    throw new SluiceError('SERVICE_IN_USE', {
      what: `migration ${plan.name} is not undone`,
      why: `projectors are connected to ${target.display}: ${projectors.join(', ')}`,
      ways: [`stop "sluice run projector ${target.name}" (and "sluice run all"), then call it again`],
    })
  }
  await undoMigration(target, serviceSet(database), plan.name)
}

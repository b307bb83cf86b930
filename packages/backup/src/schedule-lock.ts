/** One run at a time works on the backups that a schedule has of a database: whoever is killed lets go with its connection. */
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import type { BackupPlace } from './scheduled-backups.ts'

const SESSION = { applicationName: 'sluice backup due' }

/**
 * @param work Is given what proves that the lock is still held: it rejects once the connection has broken.
 * @throws SluiceError SLU-7111 if another run has it; SLU-2001 to SLU-2005; what the work throws
 */
export async function withScheduleLock<T>(
  target: PostgresTarget,
  place: BackupPlace,
  work: (assertHeld: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const client = await connect(target, SESSION)
  try {
    if (!(await ofServer(target, take(client, place)))) throw busy(target, place)
    return await work(async () => {
      await ofServer(target, client.query('SELECT'))
    })
  } finally {
    await client.end()
  }
}

async function take(client: ClientBase, { folder, schedule }: BackupPlace): Promise<boolean> {
  // It waits for as long as the backup takes.
  await client.query('SET idle_session_timeout = 0')
  const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken', [
    `sluice backup ${folder}/${schedule}`,
  ])
  return rows[0]!.taken
}

async function ofServer<T>(target: PostgresTarget, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw toPostgresError(error, target)
  }
}

function busy(target: PostgresTarget, { schedule, database }: BackupPlace): SluiceError {
  return new SluiceError('BACKUP_BUSY', {
    what: `${database} is not backed up by schedule "${schedule}"`,
    why: 'another run of the same schedule is at work on it',
    ways: [
      `SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = '${SESSION.applicationName}';    in ${target.display} names its session`,
    ],
  })
}

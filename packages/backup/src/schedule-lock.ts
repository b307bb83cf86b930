/** One run at a time works on the backups that a schedule has of a database: whoever is killed lets go with its connection. */
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, toPostgresError, withConnection } from '@sluice/postgres'
import type { BackupPlace } from './scheduled-backups.ts'

const SESSION = { applicationName: 'sluice backup due' }

/**
 * @param work Is given what proves that the lock is still held: it rejects once the connection has broken.
 * @throws SluiceError SLU-7111 if another run has it; SLU-2001 to SLU-2004
 */
export async function withScheduleLock<T>(
  target: PostgresTarget,
  { folder, schedule, database }: BackupPlace,
  work: (assertHeld: () => Promise<void>) => Promise<T>,
): Promise<T> {
  return withConnection(target, SESSION, async (client) => {
    // It waits for as long as the backup takes.
    await client.query('SET idle_session_timeout = 0')
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken', [
      `sluice backup ${folder}/${schedule}`,
    ])
    if (!rows[0]!.taken) {
      throw new SluiceError('BACKUP_BUSY', {
        what: `${database} is not backed up by schedule "${schedule}"`,
        why: 'another run of the same schedule is at work on it',
        ways: [
          `SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = '${SESSION.applicationName}';    in ${target.display} names its session`,
        ],
      })
    }
    return work(async () => {
      await client.query('SELECT').catch((error: unknown) => {
        throw toPostgresError(error, target)
      })
    })
  })
}

/** A look into a database that a dry run may come to before it exists. */
import { isSluiceError } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'

/** What `work` finds, or null if this is a dry run and the database does not exist yet. @throws SluiceError SLU-2001 to SLU-2003, those of `work` */
export async function inDatabase<Found>(
  target: PostgresTarget,
  isDryRun: boolean,
  work: (client: ClientBase) => Promise<Found>,
): Promise<Found | null> {
  try {
    const client = await connect(target, { applicationName: 'sluice provision' })
    try {
      return await work(client)
    } catch (error) {
      throw isSluiceError(error) ? error : toPostgresError(error, target)
    } finally {
      await client.end()
    }
  } catch (error) {
    if (isDryRun && isSluiceError(error, 'POSTGRES_AUTH_FAILED')) return null
    throw error
  }
}

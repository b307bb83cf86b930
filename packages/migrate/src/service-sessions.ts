/** Who is connected to a service database. */
import { SluiceError } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import type pg from 'pg'

/** Names of the programs of other sessions and how many there are of each: `sluice projector analytics (2)`. */
async function otherSessions(client: pg.ClientBase, database: string, namesLike: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; sessions: number }>(
    `SELECT coalesce(nullif(application_name, ''), 'without a name') AS name, count(*)::int AS sessions
     FROM pg_catalog.pg_stat_activity
     WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name LIKE $2
     GROUP BY 1 ORDER BY 1`,
    [database, namesLike],
  )
  return rows.map(({ name, sessions }) => (sessions === 1 ? name : `${name} (${sessions})`))
}

/** @throws SluiceError SLU-5035 while a projector works on the database, or stands by with a connection to it */
export async function assertNoProjector(client: pg.ClientBase, target: PostgresTarget, what: string): Promise<void> {
  const sessions = await otherSessions(client, target.database, 'sluice projector%')
  if (sessions.length === 0) return
  throw new SluiceError('SERVICE_IN_USE', {
    what,
    why: `projectors are connected to ${target.display}: ${sessions.join(', ')}`,
    ways: [`stop "sluice run projector ${target.name}" (and "sluice run all"), then call it again`],
  })
}

/** Who is connected to a database. */
import type pg from 'pg'

/**
 * Condition on `pg_stat_activity`: sessions of clients, whoever they are. Of sessions of other roles PostgreSQL does not say what kind
 * they are, only whose; its own processes have no role.
 */
export const CLIENT_SESSIONS = `usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'`

/**
 * Names of the programs of other sessions and how many there are of each: `sluice projector analytics (2)`. Every role may see them.
 *
 * @param namesLike LIKE pattern of the names. @default all
 */
export async function sessionsOf(client: pg.ClientBase, database: string, namesLike = '%'): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; sessions: number }>(
    `SELECT coalesce(nullif(application_name, ''), 'without a name') AS name, count(*)::int AS sessions
     FROM pg_catalog.pg_stat_activity
     WHERE datname = $1 AND pid <> pg_backend_pid() AND ${CLIENT_SESSIONS} AND application_name LIKE $2
     GROUP BY 1 ORDER BY 1`,
    [database, namesLike],
  )
  return rows.map(({ name, sessions }) => (sessions === 1 ? name : `${name} (${sessions})`))
}

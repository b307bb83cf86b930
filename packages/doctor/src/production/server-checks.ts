/** Whether a server keeps what it was given, and has room for those who connect. */
import type { HealthCheck } from '@sluice/core'
import { CLIENT_SESSIONS } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from '../finding.ts'

/** Share of the connections that may be in use before the next peak finds none. */
const USED_MAX = 0.8

interface ServerRow {
  readonly fsync: string
  readonly full_page_writes: string
  readonly synchronous_commit: string
  readonly checksums: string
  readonly used: number
  readonly available: number
}

export async function checkServerSafety(prefix: string, client: ClientBase): Promise<readonly HealthCheck[]> {
  const { rows } = await client.query<ServerRow>(
    `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('data_checksums') AS checksums,
       (SELECT count(*)::int FROM pg_catalog.pg_stat_activity
        WHERE ${CLIENT_SESSIONS}) AS used,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS available`,
  )
  const server = rows[0]!
  const off = (['fsync', 'full_page_writes', 'synchronous_commit'] as const).filter((name) => server[name] === 'off')
  const room = `${server.used} of ${server.available} connections are in use`
  return [
    off.length === 0
      ? ok(`${prefix}.crash_safety`, 'fsync, full_page_writes and synchronous_commit are on')
      : failed(`${prefix}.crash_safety`, {
          summary: `${off.join(', ')} ${off.length === 1 ? 'is' : 'are'} off: a crash loses what was committed`,
          fix: [`${off.map((name) => `ALTER SYSTEM SET ${name} = on;`).join(' ')} SELECT pg_reload_conf();`],
        }),
    server.checksums === 'on'
      ? ok(`${prefix}.data_checksums`, 'pages have checksums')
      : warning(`${prefix}.data_checksums`, {
          summary: 'pages have no checksums: a damaged disk is not noticed',
          fix: ['pg_checksums --enable --pgdata <its folder>    while the server is stopped'],
        }),
    server.used <= server.available * USED_MAX
      ? ok(`${prefix}.connections`, room)
      : failed(`${prefix}.connections`, {
          summary: `${room}, which leaves too little for a peak`,
          fix: [
            'lower pool.max of the applications, or put a pooler in front of them',
            `ALTER SYSTEM SET max_connections = ${server.available * 2};    -- then restart PostgreSQL`,
          ],
        }),
  ]
}

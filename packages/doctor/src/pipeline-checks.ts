/** Checks of the pipeline database. */
import type { HealthCheck } from '@sluice/core'
import { type PostgresTarget, pendingMigrations } from '@sluice/postgres'
import { STORE_MIGRATIONS } from '@sluice/store'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'
import { versionCheck } from './source-server.ts'

export async function checkServer(prefix: string, client: ClientBase): Promise<readonly HealthCheck[]> {
  const { rows } = await client.query<{ version: number; text: string; durable: string; fsync: string }>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS text,
       current_setting('synchronous_commit') AS durable, current_setting('fsync') AS fsync`,
  )
  const { version, text, durable, fsync } = rows[0]!
  const isDurable = durable !== 'off' && fsync === 'on'
  return [
    versionCheck(prefix, version, text),
    isDurable
      ? ok(`${prefix}.durability`, 'a commit is on disk when it is acknowledged')
      : failed(`${prefix}.durability`, {
          summary: `synchronous_commit is ${durable}, fsync is ${fsync}`,
          cause: 'a crash would lose commits that the slot was told are stored',
          fix: ['ALTER SYSTEM SET synchronous_commit = on; ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();'],
        }),
  ]
}

export async function checkStoreMigrated(target: PostgresTarget): Promise<HealthCheck> {
  const pending = await pendingMigrations(target, STORE_MIGRATIONS)
  const name = 'pipeline.migrations'
  if (pending.length === 0) return ok(name, 'all migrations are applied')
  return warning(name, { summary: `${pending.length} migrations are pending`, fix: ['sluice provision'], code: 'SLU-3001' })
}

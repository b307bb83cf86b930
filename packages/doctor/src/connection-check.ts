/** Whether the server of a service lets in what its definition plans: the numbers that `defineSystem` has added up. */
import type { HealthCheck } from '@sluice/core'
import { CLIENT_SESSIONS } from '@sluice/postgres'
import { type SystemDefinition, connectionPlanOf } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'

interface ServerRow {
  readonly server: number
  readonly reserved: number
  readonly used: number
}

/** @returns nothing where the definition plans nothing */
export async function checkConnections(
  prefix: string,
  client: ClientBase,
  system: SystemDefinition,
  service: string,
): Promise<readonly HealthCheck[]> {
  const planned = connectionPlanOf(system).services.find((s) => s.service === service)
  if (planned === undefined) return []
  // `reserved_connections` is there from PostgreSQL 16 on.
  const { rows } = await client.query<ServerRow>(
    `SELECT current_setting('max_connections')::int AS server,
       current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT count(*)::int FROM pg_catalog.pg_stat_activity
        WHERE ${CLIENT_SESSIONS}) AS used`,
  )
  const { server, reserved, used } = rows[0]!
  const usable = server - reserved
  const name = `${prefix}.planned_connections`
  const summary = `${planned.taken} planned (a pool of ${planned.pool}, and Sluice), ${usable} of max_connections ${server} to be had, ${used} in use`
  const fix = [`ALTER SYSTEM SET max_connections = ${planned.server};    -- then restart PostgreSQL`]
  if (usable < planned.taken) return [failed(name, { summary, fix })]
  if (server === planned.server) return [ok(name, summary)]
  const cause = `the definition plans max_connections ${planned.server}, by which the connections of all servers were added up`
  return [warning(name, { summary, cause, fix: [...fix, `or plan ${server}: services.${service}.connections of the system`] })]
}

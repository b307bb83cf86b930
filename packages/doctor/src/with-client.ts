/**
 * One connection for the checks of one database: read only, each statement bounded, closed whatever happens. What that takes is set for
 * each check's transaction, so that nothing is left in a session that a pooler lends.
 */
import type { HealthCheck } from '@sluice/core'
import { type PostgresTarget, openConnection, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { faultCheck, ok } from './finding.ts'
import { poolerCheck } from './pooler-check.ts'

export type DatabaseCheck = (client: ClientBase) => Promise<readonly HealthCheck[]>

export interface CheckedDatabase {
  /** Begins the names of the checks: `monolith`, `pipeline`, `service.analytics`. */
  readonly prefix: string
  readonly target: PostgresTarget
  readonly statementTimeoutMs: number
  /** True for a service that is no source: its projector can work behind a pooler. */
  readonly mayBePooled: boolean
}

/**
 * Runs checks one after the other. A check that fails is told and the next one runs: a missing privilege for one view hides
 * nothing else.
 */
export async function checkDatabase(
  { prefix, target, statementTimeoutMs, mayBePooled }: CheckedDatabase,
  checks: readonly (readonly [name: string, check: DatabaseCheck])[],
): Promise<readonly HealthCheck[]> {
  const { client, isPooled } = await openConnection(target, { applicationName: 'sluice doctor', mayBePooled })
  const found: HealthCheck[] = [ok(`${prefix}.connection`, `connected to ${target.display}`)]
  if (isPooled) found.push(poolerCheck(prefix, target))
  try {
    for (const [name, check] of checks) {
      try {
        // Without a search path types are printed with their schema.
        await client.query(
          `BEGIN READ ONLY; SET LOCAL search_path = ''; SET LOCAL statement_timeout = ${Math.trunc(statementTimeoutMs)}`,
        )
        found.push(...(await check(client)))
      } catch (error) {
        found.push(faultCheck(`${prefix}.${name}`, toPostgresError(error, target)))
      } finally {
        // A connection that broke has told so above.
        await client.query('ROLLBACK').catch(() => undefined)
      }
    }
  } finally {
    await client.end()
  }
  return found
}

/** One connection for the checks of one database: read only, each statement bounded, closed whatever happens. */
import type { HealthCheck } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { faultCheck, ok } from './finding.ts'

export type DatabaseCheck = (client: ClientBase) => Promise<readonly HealthCheck[]>

/**
 * Runs checks one after the other. A check that fails is told and the next one runs: a missing privilege for one view hides
 * nothing else.
 *
 * @param prefix Begins the names of the checks: `monolith`, `pipeline`, `service.analytics`.
 */
export async function checkDatabase(
  prefix: string,
  target: PostgresTarget,
  statementTimeoutMs: number,
  checks: readonly (readonly [name: string, check: DatabaseCheck])[],
): Promise<readonly HealthCheck[]> {
  const client = await connect(target, { applicationName: 'sluice doctor', statementTimeoutMs })
  const found: HealthCheck[] = []
  try {
    // Types are then printed with their schema.
    await client.query(`SET search_path = ''`)
    await client.query('SET default_transaction_read_only = on')
    found.push(ok(`${prefix}.connection`, `connected to ${target.display}`))
    for (const [name, check] of checks) {
      try {
        found.push(...(await check(client)))
      } catch (error) {
        found.push(faultCheck(`${prefix}.${name}`, toPostgresError(error, target)))
      }
    }
  } finally {
    await client.end()
  }
  return found
}

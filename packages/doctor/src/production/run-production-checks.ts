/**
 * What stands between a system that works and one that is in production, by the checklists of the systems' documents. Every server is
 * asked, each apart from the others, and nothing is changed; what no program can answer is listed for people.
 */
import type { SchedulePlan } from '@sluice/backup'
import type { HealthCheck } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { type ServiceMigrationStatus, readMigrationStatus } from '@sluice/migrate'
import type { PostgresTarget } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import { failed, faultCheck, guarded, ok } from '../finding.ts'
import type { DoctorTargets } from '../run-doctor.ts'
import { type DatabaseCheck, checkDatabase } from '../with-client.ts'
import { checkBackups } from './backup-checks.ts'
import { type Transports, passwordCheck, postgresTlsCheck, transportChecks } from './connection-security.ts'
import { peopleChecks } from './people-checks.ts'
import { checkOwnRole, checkServiceRoles } from './role-checks.ts'
import { checkServerSafety } from './server-checks.ts'
import { checkStructure } from './structure-checks.ts'
import { checkTopicSafety } from './topic-checks.ts'

export interface ProductionOptions {
  readonly system: SystemDefinition
  readonly targets: DoctorTargets
  readonly kafka: KafkaPort
  readonly transports: Transports
  /** Null: none is set. */
  readonly backupPlan: SchedulePlan | null
  readonly now: Date
  /** Longest time for one server, in milliseconds. @default 20000 */
  readonly serverTimeoutMs?: number
}

const STATEMENT_TIMEOUT_MS = 5_000

export async function runProductionChecks(options: ProductionOptions): Promise<readonly HealthCheck[]> {
  const { system, targets, kafka, transports, backupPlan, now, serverTimeoutMs = 20_000 } = options
  const bounded = (name: string, work: () => Promise<readonly HealthCheck[]>): Promise<readonly HealthCheck[]> =>
    guarded(name, serverTimeoutMs, work)
  const services = Object.entries(targets.services)
  const results = await Promise.all([
    bounded('monolith.production', () => databaseChecks('monolith', targets.monolith, [])),
    bounded('pipeline.production', () => databaseChecks('pipeline', targets.pipeline, [])),
    ...services.map(([service, target]) => {
      const prefix = `service.${service}`
      return bounded(`${prefix}.production`, () =>
        databaseChecks(prefix, target, [
          ['roles', (client) => checkServiceRoles(prefix, client, system.services[service]?.roles)],
          ['structure', (client) => checkStructure(prefix, client)],
        ]),
      )
    }),
    bounded('services.migrations', () => migrationChecks(system, targets)),
    bounded('kafka.safety', () => checkTopicSafety(kafka, system)),
    bounded('backups', () => checkBackups(backupPlan, system, now)),
  ])
  return [...results.flat(), ...transportChecks(transports), ...peopleChecks()]
}

async function databaseChecks(
  prefix: string,
  target: PostgresTarget,
  more: readonly (readonly [string, DatabaseCheck])[],
): Promise<readonly HealthCheck[]> {
  const found = await checkDatabase({ prefix, target, statementTimeoutMs: STATEMENT_TIMEOUT_MS, mayBePooled: true }, [
    ['role', (client) => checkOwnRole(prefix, client)],
    ['server', (client) => checkServerSafety(prefix, client)],
    ...more,
  ])
  return [postgresTlsCheck(prefix, target), passwordCheck(prefix, target), ...found]
}

async function migrationChecks(system: SystemDefinition, targets: DoctorTargets): Promise<readonly HealthCheck[]> {
  const databases = Object.entries(targets.services).map(([service, target]) => ({
    service,
    target,
    definition: system.services[service]!,
  }))
  return (await readMigrationStatus(databases)).map(migrationCheck)
}

function migrationCheck({ service, pending, sluicePending, missing, error }: ServiceMigrationStatus): HealthCheck {
  const name = `service.${service}.migrations`
  if (error) return faultCheck(name, error)
  const open = [...pending, ...sluicePending]
  if (missing.length > 0) {
    return failed(name, {
      summary: `applied, and without a file: ${missing.join(', ')}`,
      fix: ['put the files back, as they were applied'],
    })
  }
  if (open.length === 0) return ok(name, 'none is pending')
  return failed(name, { summary: `pending: ${open.join(', ')}`, fix: [`sluice migrate up ${service}`] })
}

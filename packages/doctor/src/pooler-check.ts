/** A pooler in front of a service: what it means for each of Sluice's commands. In front of a source or the pipeline it is refused. */
import type { HealthCheck } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { warning } from './finding.ts'

export function poolerCheck(prefix: string, target: PostgresTarget): HealthCheck {
  const variable = `SLUICE_${target.name.toUpperCase()}_URL`
  return warning(`${prefix}.pooler`, {
    summary:
      'a pooler stands in front of it: the projector works without named statements, and brings its settings with each transaction',
    cause:
      'provision, migrate, verify, parked, erase and backup keep locks, settings or snapshots in a session, and are refused here',
    fix: [
      `export ${variable}='postgresql://user:password@host:5432/database'    PostgreSQL itself, for those; the pooler's URL for sluice run projector alone`,
    ],
    code: 'SLU-2005',
  })
}

/** The databases of a verification. */
import { SluiceError } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import type { LaneDefinition } from '@sluice/system'

export interface VerifyTargets {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

/** @throws SluiceError SLU-1002 if the service's URL is not set */
export function serviceTarget(targets: VerifyTargets, service: string): PostgresTarget {
  const target = targets.services[service]
  if (target) return target
  throw new SluiceError('CONFIG_MISSING', {
    what: `the database of service "${service}" is not known`,
    why: `SLUICE_${service.toUpperCase()}_URL is not set`,
    ways: [`export SLUICE_${service.toUpperCase()}_URL='postgresql://user:password@host:5432/database'`],
  })
}

/** The database that a lane reads. */
export function sourceTarget(targets: VerifyTargets, lane: LaneDefinition): PostgresTarget {
  return lane.source === 'monolith' ? targets.monolith : serviceTarget(targets, lane.source.service)
}

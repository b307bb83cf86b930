/** The databases of a system. */
import { SluiceError } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'

export interface StatusTargets {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

/** @throws SluiceError SLU-1002 if the service's URL is not set */
export function serviceTarget({ services }: Pick<StatusTargets, 'services'>, service: string): PostgresTarget {
  const target = services[service]
  if (target) return target
  throw new SluiceError('CONFIG_MISSING', {
    what: `the database of service "${service}" is not known`,
    why: `SLUICE_${service.toUpperCase()}_URL is not set`,
    ways: [`export SLUICE_${service.toUpperCase()}_URL='postgresql://user:password@host:5432/database'`],
  })
}

/**
 * Connections to the servers of a system's services, added up from what the definition says: what each server lets in, what a pooler
 * and Sluice take of it, and what all of them may have together.
 */
import type { ServiceConnections } from './connection-limits.ts'
import type { SystemDefinition } from './system-definition.ts'

/** PostgreSQL keeps these for superusers unless it is told otherwise (`superuser_reserved_connections`). */
const SUPERUSER_CONNECTIONS = 3

/**
 * The most that Sluice has in one service's database at once: the projector's work, a take-over and a look at its state, three; verify's
 * barrier, snapshot and watch over it, four; a command (provision, migrate, backup or doctor), one.
 */
export const SLUICE_CONNECTIONS = 8

export interface ConnectionPlan {
  readonly services: readonly PlannedService[]
  /** Sum of what the servers let in. */
  readonly servers: number
  /** Sum of what poolers, applications and Sluice take. */
  readonly taken: number
  /** What they may take together: the total without what is reserved and for monitoring. Null without limits. */
  readonly free: number | null
}

export interface PlannedService extends ServiceConnections {
  readonly service: string
  /** The pool and Sluice. */
  readonly taken: number
  /** What the server lets in of users that are no superusers. */
  readonly usable: number
}

/** Services that say nothing of connections are left out. */
export function connectionPlanOf({ services, connectionLimits }: SystemDefinition): ConnectionPlan {
  const planned = Object.entries(services).flatMap(([service, { connections }]) =>
    connections === undefined
      ? []
      : [
          {
            ...connections,
            service,
            taken: connections.pool + SLUICE_CONNECTIONS,
            usable: connections.server - SUPERUSER_CONNECTIONS,
          },
        ],
  )
  const sum = (numberOf: (service: PlannedService) => number): number =>
    planned.reduce((total, service) => total + numberOf(service), 0)
  const { total, reserved = 0, monitoring = 0 } = connectionLimits ?? {}
  return {
    services: planned,
    servers: sum((service) => service.server),
    taken: sum((service) => service.taken),
    free: total === undefined ? null : total - reserved - monitoring,
  }
}

/** Checks that the connections of a system add up: in each server, and over all of them. */
import { SLUICE_CONNECTIONS, connectionPlanOf } from '../connection-plan.ts'
import type { SystemDefinition } from '../system-definition.ts'
import type { Mistake } from './mistake.ts'

export function connectionMistakes(system: SystemDefinition): readonly Mistake[] {
  const { services, servers, taken, free } = connectionPlanOf(system)
  const place = 'connectionLimits'
  const { connectionLimits: limits } = system
  return [
    ...services.flatMap(({ service, server, pool, clients = pool, taken, usable }) => [
      ...(taken > usable
        ? [
            {
              place: `services.${service}.connections`,
              problem: `a pool of ${pool} and ${SLUICE_CONNECTIONS} of Sluice need ${taken}, and a server of ${server} has ${usable} for them`,
            },
          ]
        : []),
      ...(clients < pool
        ? [{ place: `services.${service}.connections.clients`, problem: `${clients} clients can not use a pool of ${pool}` }]
        : []),
    ]),
    ...(limits !== undefined && servers > limits.total
      ? [{ place, problem: `the servers let in ${servers} connections, and there may be ${limits.total} in all` }]
      : []),
    ...(free !== null && taken > free
      ? [{ place, problem: `pools and Sluice take ${taken} connections, and ${free} are neither reserved nor for monitoring` }]
      : []),
  ]
}

/** The sink of a service that has tables in one. */
import { SluiceError } from '@sluice/core'
import type { Sink } from '@sluice/sink'
import type { SystemDefinition } from '@sluice/system'

/** Null where the service has none. @throws SluiceError SLU-5103 if it has, and none was named */
export function sinkOf(system: SystemDefinition, service: string, open: (() => Sink) | null): Sink | null {
  const [first] = system.services[service]?.sinks ?? []
  if (first === undefined) return null
  if (open !== null) return open()
  throw new SluiceError('SINK_NOT_PROVISIONED', {
    what: `service "${service}" has tables in ${first.store}, and does not know where that is`,
    why: `nothing names the store of ${first.name}`,
    ways: [`export SLUICE_${service.toUpperCase()}_${first.store.toUpperCase()}_URL='…'`],
  })
}

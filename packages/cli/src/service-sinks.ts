/** Sinks of services for their backups, each with the tables that the definition gives it. */
import type { ServiceSink } from '@sluice/backup'
import { SluiceError, isSluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import type { Environment } from './deployment.ts'
import { sinksOf } from './sinks.ts'

/**
 * @param called The command, which can do without sinks.
 * @throws SluiceError SLU-1002 if a setting is missing, SLU-1003 if one can not be used
 */
export function serviceSinks(
  environment: Environment,
  system: SystemDefinition,
  services: readonly string[],
  called: string,
): Readonly<Record<string, ServiceSink>> {
  try {
    const sinks = Object.entries(sinksOf(environment, system, services))
    return Object.fromEntries(sinks.map(([service, open]) => [service, { tables: system.services[service]?.sinks ?? [], open }]))
  } catch (error) {
    if (!isSluiceError(error, 'CONFIG_MISSING')) throw error
    const { what, why, ways } = error
    throw new SluiceError('CONFIG_MISSING', {
      what,
      why,
      ways: [...ways, `${called} --without-sinks    leaves sinks as they are`],
    })
  }
}

/**
 * Servers for the demo, tests and benchmarks: those that `SLUICE_TEST_…` names, and new ones for the rest. They read no other
 * URL, so that a stray one is never written to.
 */
import { SERVER_NAMES, type ServerName } from './server-settings.ts'
import type { ServerRequest } from './start-server.ts'

export const TEST_VARIABLES: Readonly<Record<ServerName, string>> = {
  monolith: 'SLUICE_TEST_MONOLITH_URL',
  pipeline: 'SLUICE_TEST_PIPELINE_URL',
  services: 'SLUICE_TEST_SERVICES_URL',
  kafka: 'SLUICE_TEST_KAFKA_BROKERS',
  registry: 'SLUICE_TEST_REGISTRY_URL',
}

/** What to ask `startServers` for. */
export function testServerRequests(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Partial<Record<ServerName, ServerRequest>>> {
  return Object.fromEntries(
    SERVER_NAMES.map((name): [ServerName, ServerRequest] => {
      const url = environment[TEST_VARIABLES[name]]
      return [name, url === undefined || url === '' ? true : { url }]
    }),
  )
}

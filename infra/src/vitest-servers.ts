/**
 * Vitest's globalSetup of the integration tests: real servers for the run, their addresses in the environment of the
 * test processes, and nothing left behind. Addresses that are set already are used as they are.
 */
import { describeProgress } from './progress.ts'
import type { ServerRequest } from './start-server.ts'
import { startServers } from './start-servers.ts'

const VARIABLES = {
  monolith: 'SLUICE_TEST_MONOLITH_URL',
  pipeline: 'SLUICE_TEST_PIPELINE_URL',
  services: 'SLUICE_TEST_SERVICES_URL',
  kafka: 'SLUICE_TEST_KAFKA_BROKERS',
  registry: 'SLUICE_TEST_REGISTRY_URL',
} as const

/** Returns the teardown. */
export default async function setup(): Promise<() => Promise<void>> {
  const servers = await startServers({
    monolith: request(VARIABLES.monolith),
    pipeline: request(VARIABLES.pipeline),
    services: request(VARIABLES.services),
    kafka: request(VARIABLES.kafka),
    registry: request(VARIABLES.registry),
    onProgress: (progress) => process.stderr.write(`${describeProgress(progress)}\n`),
  })
  for (const server of servers.all) process.env[VARIABLES[server.name]] = server.url
  return () => servers.stop()
}

function request(variable: string): ServerRequest {
  const url = process.env[variable]
  return url === undefined || url === '' ? true : { url }
}

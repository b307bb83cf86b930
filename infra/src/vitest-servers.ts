/**
 * Vitest's globalSetup of the integration tests: real servers for the run, their addresses in the environment of the
 * test processes, and nothing left behind. Addresses that are set already are used as they are.
 */
import { printProgress } from './progress-lines.ts'
import { startServers } from './start-servers.ts'
import { TEST_VARIABLES, testServerRequests } from './test-server-requests.ts'

/** Returns the teardown. */
export default async function setup(): Promise<() => Promise<void>> {
  const servers = await startServers({
    ...testServerRequests(process.env),
    onProgress: printProgress(process.stderr),
  })
  for (const server of servers.all) process.env[TEST_VARIABLES[server.name]] = server.url
  return () => servers.stop()
}

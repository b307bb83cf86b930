/**
 * A program that starts servers and then waits, for tests that kill it. Prints one JSON line when the servers answer.
 *
 * Arguments: names of servers.
 */
import { setInterval } from 'node:timers'
import { startServers } from '../src/start-servers.ts'

const names = process.argv.slice(2)
const servers = await startServers({
  ...(names.includes('pipeline') ? { pipeline: true } : {}),
  ...(names.includes('kafka') ? { kafka: true } : {}),
  useContainers: false,
})
process.stdout.write(`${JSON.stringify(servers.all.map(({ name, url }) => ({ name, url })))}\n`)
// Without a timer this program would end here, and its servers with it.
if (!names.includes('return')) setInterval(() => undefined, 60_000)

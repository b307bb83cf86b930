/**
 * A program that starts servers and then waits for the end of its stdin, for tests that kill it. Prints one JSON line
 * when the servers answer.
 *
 * Arguments: names of servers.
 */
import { once } from 'node:events'
import { startServers } from '../src/start-servers.ts'

const names = process.argv.slice(2)
const servers = await startServers({
  ...(names.includes('pipeline') ? { pipeline: true } : {}),
  ...(names.includes('kafka') ? { kafka: true } : {}),
  useContainers: false,
})
process.stdout.write(`${JSON.stringify(servers.all.map(({ name, url }) => ({ name, url })))}\n`)
// Ends when its stdin does, without stopping its servers.
await once(process.stdin.resume(), 'end')

/** Free ports on the loopback interface, each claimed by one run. */
import { randomInt } from 'node:crypto'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'

/**
 * Below the ports that operating systems hand out for outgoing connections (from 32768 on Linux, 49152 elsewhere): a
 * server that is stopped finds its port free when it starts again.
 */
const FIRST_PORT = 20_000
const LAST_PORT = 32_000
const ATTEMPTS = 200

/**
 * A port that nothing listens on and no other run has claimed. The claim is a file in the run folder and goes with it:
 * it is written first and then looked for elsewhere, so of two runs that take a port at once at least one sees the other.
 */
export async function claimPort(runFolder: string): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT)
    if (existsSync(claimFile(runFolder, port)) || !(await isFree(port))) continue
    writeFileSync(claimFile(runFolder, port), '')
    if (!isClaimedElsewhere(runFolder, port)) return port
    rmSync(claimFile(runFolder, port))
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT} after ${ATTEMPTS} attempts`)
}

function isClaimedElsewhere(runFolder: string, port: number): boolean {
  const runs = dirname(runFolder)
  return readdirSync(runs).some((name) => name !== basename(runFolder) && existsSync(claimFile(join(runs, name), port)))
}

function claimFile(runFolder: string, port: number): string {
  return join(runFolder, `port-${port}`)
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => {
      resolve(false)
    })
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        resolve(true)
      })
    })
  })
}

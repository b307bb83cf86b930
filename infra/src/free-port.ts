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
 * A port that nothing listens on and nobody has claimed, neither another run nor another server of this one. The claim is a
 * file in the run folder and goes with it: it is written first and then looked for elsewhere, so of two runs that take a port
 * at once at least one sees the other.
 */
export async function claimPort(runFolder: string): Promise<number> {
  return claimPorts(runFolder, 1)
}

/** The first of two such ports in a row. */
export async function claimPortPair(runFolder: string): Promise<number> {
  return claimPorts(runFolder, 2)
}

async function claimPorts(runFolder: string, count: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const first = randomInt(FIRST_PORT, LAST_PORT)
    const ports = Array.from({ length: count }, (_, i) => first + i)
    if ((await Promise.all(ports.map(isFree))).includes(false)) continue
    // From here on nothing is awaited, so that no other server of the run claims it in between.
    if (ports.some((port) => existsSync(claimFile(runFolder, port)))) continue
    for (const port of ports) writeFileSync(claimFile(runFolder, port), '')
    if (!ports.some((port) => isClaimedElsewhere(runFolder, port))) return first
    for (const port of ports) rmSync(claimFile(runFolder, port))
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

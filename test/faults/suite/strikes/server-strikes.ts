/** A server that is stopped or crashes, is away for a moment, and comes back with its data. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerName } from '@sluice/infra'
import { markProgress } from '../progress-mark.ts'
import type { Stage } from '../stage.ts'
import type { Strike } from '../strike.ts'

const AWAY_MS_MAX = 1_500

/** `stop` is clean (PostgreSQL's fast shutdown), `kill9` ends the server and all its processes at once. */
export function serverAway(server: ServerName, how: 'stop' | 'kill9'): Strike {
  return async (stage, seed) => {
    const mark = await markProgress(stage)
    const running = stage.servers.running.get(server)
    await running[how]()
    await delay(seed.random().between(0, AWAY_MS_MAX))
    await running.start()
    return { mark }
  }
}

/**
 * The registry is away while a relay and a projector start, which need it. It runs in memory: its content is taken out before and put
 * back, with the same ids, before anybody reaches it again.
 */
export const registryAway: Strike = async (stage, seed) => {
  const random = seed.random()
  const { registry } = stage.servers.running
  const admin = `${new URL(registry.url).origin}/apis/registry/v2/admin`
  const content = await (await answered(fetch(`${admin}/export`))).arrayBuffer()
  const service = stage.anyService(random)
  const mark = await markProgress(stage)
  stage.proxies.registry.refuse()
  await (random.chance(0.5) ? registry.stop() : registry.kill9())
  await stage.processes.killAndRestart('relay')
  await stage.processes.killAndRestart(`projector ${service}`)
  await metTrouble(stage, 'relay')
  await registry.start()
  await answered(fetch(`${admin}/import`, { method: 'POST', headers: { 'content-type': 'application/zip' }, body: content }))
  stage.proxies.registry.pass()
  return { mark, place: `relay and projector ${service} started meanwhile` }
}

/** The process tried, and did not end. */
async function metTrouble(stage: Stage, name: string): Promise<void> {
  await stage.until(`${name} to miss the registry`, async () => stage.processes.get(name).stderr.includes('starts again'))
}

async function answered(request: Promise<Response>): Promise<Response> {
  const response = await request
  if (!response.ok) throw new Error(`the registry answered ${response.status} to ${response.url}`)
  return response
}

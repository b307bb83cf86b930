/** Starts one server from the first source that there is. */
import { SluiceError } from '@sluice/core'
import { startContainer } from './container-engine.ts'
import type { DetachedServer } from './detached-state.ts'
import { prepareLocalKafka } from './local-kafka.ts'
import type { LocalServerPlan } from './local-plan.ts'
import { prepareLocalPostgres } from './local-postgres.ts'
import { prepareLocalRegistry } from './local-registry.ts'
import { LocalServer, type ServerControl } from './local-server.ts'
import type { ServerOrigin } from './progress.ts'
import type { RunningServer } from './running-servers.ts'
import { probeOf } from './server-probe.ts'
import type { ServerName } from './server-settings.ts'
import type { StartPlace } from './start-place.ts'

/** A server to have: `true`, or where it is, or with settings that override those of server-settings.ts. */
export type ServerRequest = true | { readonly url: string } | { readonly settings: Readonly<Record<string, string>> }

export interface StartedServer extends RunningServer {
  /** Removes a container. Local processes end with their watcher, given servers go on: nothing to do. */
  remove(): Promise<void>
  /** What the state file keeps of a local process. */
  detached?(): DetachedServer
}

/** @throws SluiceError SLU-7001 to SLU-7004 */
export async function startServer(name: ServerName, request: ServerRequest, place: StartPlace): Promise<StartedServer> {
  if (request !== true && 'url' in request) return givenServer(name, request.url)
  const settings = request === true ? {} : request.settings
  if (place.engine !== undefined) {
    const { engine } = place
    const started = await timed(name, 'container', place, () => startContainer(engine, name, settings, place.runFolder)).catch(
      (error: unknown) => {
        place.onProgress({ kind: 'fallback', server: name, why: error instanceof Error ? error.message : String(error) })
        return undefined
      },
    )
    if (started !== undefined)
      return { name, origin: 'container', url: started.url, ...started.control, remove: () => started.remove() }
  }
  return timed(name, 'process', place, () => startLocal(name, settings, place))
}

async function startLocal(
  name: ServerName,
  settings: Readonly<Record<string, string>>,
  place: StartPlace,
): Promise<StartedServer> {
  const earlier = place.earlier.find((server) => server.name === name)
  const plan = earlier ?? (await prepareLocal(name, settings, place))
  const server = new LocalServer(place.launcher, plan.spec, probeOf(name, plan.url), earlier?.process)
  await server.start()
  return {
    name,
    origin: 'process',
    url: plan.url,
    ...controlOf(server),
    remove: () => Promise.resolve(),
    detached: () => ({ name, url: plan.url, spec: plan.spec, process: server.process! }),
  }
}

async function prepareLocal(
  name: ServerName,
  settings: Readonly<Record<string, string>>,
  place: StartPlace,
): Promise<LocalServerPlan> {
  switch (name) {
    case 'kafka':
      return prepareLocalKafka(place.runFolder, settings, place.onProgress)
    case 'registry':
      return prepareLocalRegistry(place.runFolder, place.onProgress)
    case 'monolith':
    case 'pipeline':
    case 'services':
      return prepareLocalPostgres(name, place, settings)
  }
}

function controlOf(server: LocalServer): ServerControl {
  return {
    start: () => server.start(),
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    restart: () => server.restart(),
  }
}

async function timed<T>(name: ServerName, origin: ServerOrigin, place: StartPlace, start: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  place.onProgress({ kind: 'starting', server: name, origin })
  const started = await start()
  place.onProgress({ kind: 'ready', server: name, origin, ms: Math.round(performance.now() - startedAt) })
  return started
}

function givenServer(name: ServerName, url: string): StartedServer {
  const refuse = async (): Promise<never> => {
    throw new SluiceError('SERVER_START_FAILED', {
      what: `the server ${name} is not stopped or started`,
      why: 'it was given by URL and belongs to somebody else',
      ways: [`unset the environment variable that names ${name}, and a server is started for the run`],
    })
  }
  return {
    name,
    origin: 'environment',
    url,
    start: refuse,
    stop: refuse,
    kill9: refuse,
    restart: refuse,
    remove: () => Promise.resolve(),
  }
}

/**
 * Real servers for development, the demo, tests and benchmarks. Each comes from the first that there is: a URL given
 * by the caller, a container engine, a local process.
 */
import { SluiceError } from '@sluice/core'
import { createRunFolder, removeStaleRuns } from './run-folder.ts'
import { kafkaProbe, prepareLocalKafka } from './local-kafka.ts'
import { postgresProbe, prepareLocalPostgres, type LocalServerPlan } from './local-postgres.ts'
import { prepareLocalRegistry, registryProbe } from './local-registry.ts'
import { LocalServer, type Probe, type ServerControl } from './local-server.ts'
import { ProcessLauncher } from './process-launcher.ts'
import type { OnServerProgress, ServerOrigin } from './progress.ts'
import { POSTGRES_SERVER_NAMES, type PostgresServerName, type ServerName } from './server-settings.ts'

/** A server to have: `true`, or where it is, or with settings of its own. */
export type ServerRequest = true | { readonly url: string } | { readonly settings: Readonly<Record<string, string>> }

export interface StartServersOptions {
  readonly monolith?: ServerRequest
  readonly pipeline?: ServerRequest
  readonly services?: ServerRequest
  readonly kafka?: ServerRequest
  readonly registry?: ServerRequest
  readonly onProgress?: OnServerProgress
}

/** A server that answers. Stopping and starting one that was given by URL is refused with SLU-7001. */
export interface RunningServer extends ServerControl {
  readonly name: ServerName
  readonly origin: ServerOrigin
  /** PostgreSQL: URL with user, password and database `postgres`. Kafka: `host:port`. Registry: base URL of its compatible API. */
  readonly url: string
}

export class RunningServers {
  readonly #servers: ReadonlyMap<ServerName, RunningServer>
  readonly #stop: () => Promise<void>

  constructor(servers: readonly RunningServer[], stop: () => Promise<void>) {
    this.#servers = new Map(servers.map((server) => [server.name, server]))
    this.#stop = stop
  }

  get monolith(): RunningServer {
    return this.get('monolith')
  }

  get pipeline(): RunningServer {
    return this.get('pipeline')
  }

  get services(): RunningServer {
    return this.get('services')
  }

  get kafka(): RunningServer {
    return this.get('kafka')
  }

  get registry(): RunningServer {
    return this.get('registry')
  }

  /** Every server that was asked for. */
  get all(): readonly RunningServer[] {
    return [...this.#servers.values()]
  }

  /** Asking for a server that was not requested is a mistake in the program. */
  get(name: ServerName): RunningServer {
    const server = this.#servers.get(name)
    if (server === undefined) throw new Error(`server ${name} was not requested from startServers`)
    return server
  }

  /** Ends every server started here and removes its data. */
  async stop(): Promise<void> {
    await this.#stop()
  }
}

const SERVER_NAMES = [...POSTGRES_SERVER_NAMES, 'kafka', 'registry'] as const satisfies readonly ServerName[]

/**
 * Starts what is asked for, all at once. If one does not start, none is left.
 *
 * @throws SluiceError SLU-7001 to SLU-7004
 */
export async function startServers(options: StartServersOptions): Promise<RunningServers> {
  const onProgress = options.onProgress ?? (() => undefined)
  for (const folder of await removeStaleRuns(() => true))
    onProgress({ kind: 'cleaned', what: `a run that was left behind: ${folder}` })
  const runFolder = createRunFolder()
  const launcher = new ProcessLauncher(runFolder, false)
  const starts = SERVER_NAMES.flatMap((name) => {
    const request = options[name]
    return request === undefined ? [] : [startOne(name, request, { runFolder, launcher, onProgress })]
  })
  const results = await Promise.allSettled(starts)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    await launcher.end()
    throw failed.reason
  }
  return new RunningServers(
    results.filter((result) => result.status === 'fulfilled').map((result) => result.value),
    () => launcher.end(),
  )
}

interface Place {
  readonly runFolder: string
  readonly launcher: ProcessLauncher
  readonly onProgress: OnServerProgress
}

async function startOne(name: ServerName, request: ServerRequest, place: Place): Promise<RunningServer> {
  if (request !== true && 'url' in request) return givenServer(name, request.url)
  const settings = request === true ? {} : request.settings
  const startedAt = performance.now()
  place.onProgress({ kind: 'starting', server: name, origin: 'process' })
  const plan = await prepareLocal(name, settings, place)
  const server = new LocalServer(place.launcher, plan.spec, probeOf(name, plan.url))
  await server.start()
  place.onProgress({ kind: 'ready', server: name, origin: 'process', ms: Math.round(performance.now() - startedAt) })
  return {
    name,
    origin: 'process',
    url: plan.url,
    start: () => server.start(),
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    restart: () => server.restart(),
  }
}

async function prepareLocal(
  name: ServerName,
  settings: Readonly<Record<string, string>>,
  place: Place,
): Promise<LocalServerPlan> {
  switch (name) {
    case 'kafka':
      return prepareLocalKafka(place.runFolder, settings, place.onProgress)
    case 'registry':
      return prepareLocalRegistry(place.runFolder, place.onProgress)
    case 'monolith':
    case 'pipeline':
    case 'services':
      return prepareLocalPostgres(name satisfies PostgresServerName, place.runFolder, settings)
  }
}

function probeOf(name: ServerName, url: string): Probe {
  if (name === 'kafka') return kafkaProbe(url)
  return name === 'registry' ? registryProbe(url) : postgresProbe(url)
}

function givenServer(name: ServerName, url: string): RunningServer {
  const refuse = async (): Promise<never> => {
    throw new SluiceError('SERVER_START_FAILED', {
      what: `the server ${name} is not stopped or started`,
      why: 'it was given by URL and belongs to somebody else',
      ways: [`unset the environment variable that names ${name}, and a server is started for the run`],
    })
  }
  return { name, origin: 'environment', url, start: refuse, stop: refuse, kill9: refuse, restart: refuse }
}

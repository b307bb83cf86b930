/**
 * Real servers for development, the demo, tests and benchmarks. Each comes from the first that there is: a URL given
 * by the caller, a container engine, a local process.
 *
 * `attached` servers end with the process that started them, however it ends. `detached` ones go on, recorded under a
 * project's name; starting them again gives back those that run and starts those that do not, on their data.
 * Detached servers are always local processes: docker-compose.yml is there for containers that stay.
 */
import { existsSync } from 'node:fs'
import { findContainerEngine } from './container-engine.ts'
import { stopDetachedServers } from './detached-servers.ts'
import { isRunKept, projectLockFile, readDetachedState, writeDetachedState } from './detached-state.ts'
import { withFileLock } from './file-lock.ts'
import { buildFor } from './postgres-build.ts'
import { ProcessLauncher } from './process-launcher.ts'
import type { OnServerProgress } from './progress.ts'
import { createRunFolder, removeStaleRuns } from './run-folder.ts'
import { RunningServers } from './running-servers.ts'
import { type PostgresMajor, SERVER_NAMES, type ServerName, VERSIONS } from './server-settings.ts'
import type { StartPlace } from './start-place.ts'
import { startServer, type ServerRequest, type StartedServer } from './start-server.ts'

export interface StartServersOptions {
  readonly monolith?: ServerRequest
  readonly pipeline?: ServerRequest
  readonly services?: ServerRequest
  readonly kafka?: ServerRequest
  readonly registry?: ServerRequest
  /** @default 'attached' */
  readonly lifetime?: 'attached' | 'detached'
  /** Names detached servers. @default 'dev' */
  readonly project?: string
  /** Major version of PostgreSQL; another one than the default is always a local process. @default '17' */
  readonly postgres?: PostgresMajor
  /**
   * Extensions that the PostgreSQL servers must have to offer. With `vector` they are local processes of the one build that has it,
   * PostgreSQL 16 without contrib. @default those of PostgreSQL's contrib
   */
  readonly extensions?: readonly string[]
  /** Whether a container engine is used where one answers. @default true */
  readonly useContainers?: boolean
  readonly onProgress?: OnServerProgress
}

/**
 * Starts what is asked for, all at once. If one does not start, none is left of those that this call started.
 *
 * @throws SluiceError SLU-7001 to SLU-7004
 */
export async function startServers(options: StartServersOptions): Promise<RunningServers> {
  const onProgress = options.onProgress ?? (() => undefined)
  for (const folder of await removeStaleRuns(isRunKept))
    onProgress({ kind: 'cleaned', what: `what an earlier run left in ${folder}` })
  if (options.lifetime !== 'detached') return startAttached(options, onProgress)
  const project = options.project ?? 'dev'
  const onWaiting = () => {
    onProgress({ kind: 'waiting', what: `another command that works on the servers of ${project}` })
  }
  return withFileLock(projectLockFile(project), onWaiting, () => startDetached(options, project, onProgress))
}

async function startAttached(options: StartServersOptions, onProgress: OnServerProgress): Promise<RunningServers> {
  const postgres = buildFor(options.postgres, options.extensions)
  const isForContainers = options.useContainers !== false && !postgres.hasVector && postgres.major === VERSIONS.postgres
  const engine = isForContainers ? await findContainerEngine() : undefined
  const runFolder = createRunFolder()
  const launcher = new ProcessLauncher(runFolder, false)
  const started = await startAll(options, { runFolder, launcher, onProgress, postgres, engine, earlier: [] })
  return new RunningServers(runFolder, started, async () => {
    await Promise.all(started.map((server) => server.remove()))
    await launcher.end()
  })
}

async function startDetached(
  options: StartServersOptions,
  project: string,
  onProgress: OnServerProgress,
): Promise<RunningServers> {
  const earlier = readDetachedState(project)
  const isKept = earlier !== undefined && existsSync(earlier.runFolder)
  const runFolder = isKept ? earlier.runFolder : createRunFolder()
  const launcher = new ProcessLauncher(runFolder, isKept)
  const known = isKept ? earlier.servers : []
  const postgres = buildFor(options.postgres, options.extensions)
  const started = await startAll(options, { runFolder, launcher, onProgress, postgres, engine: undefined, earlier: known })
  const servers = started.flatMap((server) => server.detached?.() ?? [])
  const others = known.filter((server) => !servers.some((newer) => newer.name === server.name))
  writeDetachedState({ v: 1, project, startedAt: new Date().toISOString(), runFolder, servers: [...others, ...servers] })
  // Killed before this line, the watcher ends the servers, and the state names a run that the next start finds ended.
  await launcher.release()
  return new RunningServers(runFolder, started, async () => {
    await stopDetachedServers(project)
  })
}

async function startAll(options: StartServersOptions, place: StartPlace): Promise<StartedServer[]> {
  const requested = SERVER_NAMES.flatMap((name): [ServerName, ServerRequest][] => {
    const request = options[name]
    return request === undefined ? [] : [[name, request]]
  })
  const results = await Promise.allSettled(requested.map(([name, request]) => startServer(name, request, place)))
  const started = results.filter((result) => result.status === 'fulfilled').map((result) => result.value)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return started
  await Promise.allSettled(started.map((server) => server.remove()))
  await place.launcher.end()
  throw failed.reason
}

/** Servers that outlive the command that started them: their status and their end. */
import { existsSync } from 'node:fs'
import { projectLockFile, readDetachedState, removeDetachedState } from './detached-state.ts'
import { areGone } from './end-processes.ts'
import { withFileLock } from './file-lock.ts'
import { isRunning, signalProcess } from './process-identity.ts'
import { removeRun } from './run-folder.ts'
import type { ServerName } from './server-settings.ts'

export interface DetachedServerStatus {
  readonly name: ServerName
  /** Holds the password of local PostgreSQL servers. */
  readonly url: string
  readonly pid: number
  readonly isRunning: boolean
  readonly logFile: string
}

export interface DetachedStatus {
  readonly project: string
  /** ISO 8601 */
  readonly startedAt: string
  readonly servers: readonly DetachedServerStatus[]
}

export interface StopDetachedOptions {
  /** Stops cleanly and keeps data and ports for the next start. @default false: the data is removed */
  readonly isDataKept?: boolean
}

const STOP_TIMEOUT_MS = 60_000

/** What a project has running; undefined when it has nothing. */
export function detachedStatus(project: string): DetachedStatus | undefined {
  const state = readDetachedState(project)
  if (state === undefined || !existsSync(state.runFolder)) return undefined
  const servers = state.servers.map((server) => ({
    name: server.name,
    url: server.url,
    pid: server.process.pid,
    isRunning: isRunning(server.process),
    logFile: server.spec.logFile,
  }))
  return { project, startedAt: state.startedAt, servers }
}

/**
 * Ends exactly the servers that the project's state file names.
 *
 * @returns the servers that ran; empty when there was nothing
 */
export async function stopDetachedServers(project: string, options: StopDetachedOptions = {}): Promise<ServerName[]> {
  return withFileLock(
    projectLockFile(project),
    () => undefined,
    async () => {
      const state = readDetachedState(project)
      if (state === undefined) return []
      const running = state.servers.filter((server) => isRunning(server.process))
      if (options.isDataKept === true) {
        for (const server of running) signalProcess(server.process, server.spec.stopSignal)
        const identities = running.map((server) => server.process)
        if (!(await areGone(identities, STOP_TIMEOUT_MS)))
          throw new Error(`servers of ${project} did not stop within ${STOP_TIMEOUT_MS / 1000} s`)
      } else {
        // The folder first: were this killed in between, the state still names what is left.
        await removeRun(state.runFolder)
        removeDetachedState(project)
      }
      return running.map((server) => server.name)
    },
  )
}

/** Runs the launcher fixture and finds what it left. */
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { runsFolder } from '../src/folders.ts'
import { isRunning, type ProcessIdentity } from '../src/process-identity.ts'
import { readRecords } from '../src/run-folder.ts'

export interface RunningLauncher {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  readonly servers: readonly { name: string; url: string }[]
  readonly runFolder: string
  /** The watcher and the servers. */
  readonly processes: readonly ProcessIdentity[]
  readonly watcher: ProcessIdentity
}

/** Starts the fixture in a process of its own and waits until its servers answer. */
export async function runLauncher(...args: string[]): Promise<RunningLauncher> {
  const fixture = fileURLToPath(new URL('launcher-fixture.ts', import.meta.url))
  const before = new Set(runFolders())
  const child = spawn(process.execPath, [fixture, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const [line] = z.tuple([z.string()]).parse(await once(lines, 'line'))
  const servers = z.array(z.object({ name: z.string(), url: z.string() })).parse(JSON.parse(line))
  // Others may start runs meanwhile: ours is the one whose watcher has our child as parent.
  for (const runFolder of runFolders().filter((folder) => !before.has(folder))) {
    const records = readRecords(runFolder)
    const watcher = records.find((record) => record.type === 'watcher')?.process
    if (watcher === undefined || parentOf(watcher.pid) !== child.pid) continue
    const processes = records.flatMap((record) => (record.type === 'released' ? [] : [record.process]))
    return { child, servers, runFolder, processes, watcher }
  }
  throw new Error('the launcher has no run folder')
}

/** What of the launcher is still there. */
export function leftovers(launcher: RunningLauncher): { running: readonly ProcessIdentity[]; isFolderThere: boolean } {
  return { running: launcher.processes.filter(isRunning), isFolderThere: existsSync(launcher.runFolder) }
}

function runFolders(): string[] {
  return readdirSync(runsFolder())
    .filter((name) => name.startsWith('run-'))
    .map((name) => join(runsFolder(), name))
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }))
  } catch {
    // ps exits with 1 when the process is gone: then it is not ours.
    return undefined
  }
}

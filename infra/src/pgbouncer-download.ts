/**
 * pgbouncer and the libraries that a Debian has not by itself, from Debian's packages, pinned by `pgbouncer.lock.json`. They are unpacked,
 * not installed: nothing of the machine changes, and nobody has to be root.
 *
 *   staging folder --each package has its pinned sha256--> unpacked --> renamed to pgbouncer-<version>-<platform>
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { cachedFolder } from './cached-folder.ts'
import { downloadFailed, isMissingProgram } from './download-error.ts'
import type { OnServerProgress } from './progress.ts'

const run = promisify(execFile)

const packageSchema = z.object({ name: z.string(), version: z.string(), sha256: z.string().length(64) })
const lockSchema = z.object({ version: z.string(), packages: z.record(z.string(), z.array(packageSchema)) })

type DebianPackage = z.infer<typeof packageSchema>

export interface PgbouncerBuild {
  /** Holds `usr/sbin/pgbouncer` and its libraries, as they are under the root of a Debian. */
  readonly folder: string
  readonly version: string
}

/** @throws SluiceError SLU-7002 when apt can't get it, SLU-7003 when it is not the pinned one, SLU-7004 without apt or such a platform */
export async function downloadPgbouncer(onProgress: OnServerProgress): Promise<PgbouncerBuild> {
  const lock = lockSchema.parse(JSON.parse(readFileSync(new URL('../pgbouncer.lock.json', import.meta.url), 'utf8')))
  const place = `${process.platform}-${process.arch}`
  const packages = lock.packages[place]
  if (packages === undefined) throw missing(`nothing is pinned for ${place}`)
  const name = `pgbouncer-${lock.version}-${place}`
  const folder = await cachedFolder({ name, what: `pgbouncer ${lock.version}`, onProgress }, async (staging) => {
    await download(packages, staging)
    const unpacked = join(staging, 'unpacked')
    for (const { name: packageName, sha256 } of packages) {
      const archive = join(staging, readdirSync(staging).find((file) => file.startsWith(`${packageName}_`)) ?? '')
      assertPinned(packageName, archive, sha256)
      await run('dpkg', ['-x', archive, unpacked])
    }
    return unpacked
  })
  return { folder, version: lock.version }
}

/** By what the machine knows of Debian's packages; where that is nothing, or old, by lists of its own that are thrown away. */
async function download(packages: readonly DebianPackage[], folder: string): Promise<void> {
  const wanted = packages.map(({ name, version }) => `${name}=${version}`)
  try {
    await apt(['download', ...wanted], folder).catch(async (error: unknown) => {
      if (isMissingProgram(error)) throw error
      const lists = join(folder, 'lists')
      const cache = join(folder, 'cache')
      mkdirSync(join(lists, 'partial'), { recursive: true })
      mkdirSync(join(cache, 'archives', 'partial'), { recursive: true })
      const own = ['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`, '-o', 'Debug::NoLocking=1']
      await apt([...own, 'update'], folder)
      await apt([...own, 'download', ...wanted], folder)
    })
  } catch (error) {
    if (isMissingProgram(error)) throw missing('apt-get is not on the path', error)
    throw downloadFailed(`${wanted.join(', ')} could not be downloaded`, error, [
      `apt-get download ${wanted.join(' ')}`,
      'apt-get install pgbouncer    the one on the path is taken first',
    ])
  }
}

async function apt(args: readonly string[], folder: string): Promise<void> {
  await run('apt-get', ['-q', ...args], { cwd: folder, env: { ...process.env, LC_ALL: 'C' } })
}

function assertPinned(name: string, archive: string, sha256: string): void {
  const found = createHash('sha256').update(readFileSync(archive)).digest('hex')
  if (found === sha256) return
  throw new SluiceError('CHECKSUM_MISMATCH', {
    what: `the downloaded package ${name} is not the pinned one`,
    why: `its sha256 is ${found}, pinned is ${sha256}`,
    ways: ["check what apt's mirror serves"],
  })
}

function missing(why: string, cause?: unknown): SluiceError {
  return new SluiceError('TOOL_MISSING', {
    what: 'no pgbouncer for this machine',
    why,
    ways: ['install pgbouncer, so that it is on the path (Debian: apt-get install pgbouncer, Homebrew: brew install pgbouncer)'],
    cause,
  })
}

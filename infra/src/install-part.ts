/**
 * Puts a pinned part into the cache.
 *
 *   staging folder --every file has its pinned sha256--> renamed to <part>-<version>-<digest of the lock>
 *
 * I1  A folder under its final name is whole: it was verified before it got the name.
 * I2  At every later use the files' sizes are compared; a folder that differs is made anew.
 *
 * Killed in the middle, a staging folder is left; the next installation removes it under the lock.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { SluiceError } from '@sluice/core'
import { cacheFolder } from './folders.ts'
import { withFileLock } from './file-lock.ts'
import { downloadWithMaven } from './maven-download.ts'
import { pinnedPart, totalBytes, type Part, type PartName } from './parts.ts'
import type { OnServerProgress } from './progress.ts'

/** Puts the part's files into a folder. */
export type Download = typeof downloadWithMaven

/**
 * @returns the folder that holds the part's files
 * @throws SluiceError SLU-7002, SLU-7003, SLU-7004
 */
export async function installPart(name: PartName, onProgress: OnServerProgress): Promise<string> {
  return installPinned(name, pinnedPart(name), downloadWithMaven, onProgress)
}

/** `installPart` with the part and the way to get it given. */
export async function installPinned(
  name: PartName,
  part: Part,
  download: Download,
  onProgress: OnServerProgress,
): Promise<string> {
  const folder = join(cacheFolder(), `${name}-${part.version}-${digestOf(part)}`)
  if (isWhole(folder, part)) return folder
  const onWaiting = () => {
    onProgress({ kind: 'waiting', what: `another process that downloads ${name} ${part.version}` })
  }
  return withFileLock(join(cacheFolder(), `${name}.lock`), onWaiting, async () => {
    if (isWhole(folder, part)) return folder
    removeLeftovers(name)
    const staging = mkdtempSync(join(cacheFolder(), `staging-${name}-`))
    try {
      await download(name, part, staging, onProgress)
      for (const file of part.files) await verifyFile(staging, file)
      rmSync(folder, { recursive: true, force: true })
      renameSync(staging, folder)
    } finally {
      rmSync(staging, { recursive: true, force: true })
    }
    onProgress({ kind: 'download', part: `${name} ${part.version}`, doneBytes: totalBytes(part), totalBytes: totalBytes(part) })
    return folder
  })
}

/**
 * Makes something from a part once, such as an unpacked archive: built in a temporary folder and renamed.
 *
 * @param build fills the folder it is given
 */
export async function deriveFromPart(name: PartName, suffix: string, build: (folder: string) => Promise<void>): Promise<string> {
  const part = pinnedPart(name)
  const folder = join(cacheFolder(), `${name}-${part.version}-${digestOf(part)}-${suffix}`)
  if (existsSync(folder)) return folder
  return withFileLock(
    join(cacheFolder(), `${name}-${suffix}.lock`),
    () => undefined,
    async () => {
      if (existsSync(folder)) return folder
      const staging = `${folder}.tmp`
      rmSync(staging, { recursive: true, force: true })
      mkdirSync(staging)
      await build(staging)
      renameSync(staging, folder)
      return folder
    },
  )
}

/** The cheap check of every start. */
function isWhole(folder: string, part: Part): boolean {
  return part.files.every((file) => statSync(join(folder, file.name), { throwIfNoEntry: false })?.size === file.bytes)
}

async function verifyFile(folder: string, file: Part['files'][number]): Promise<void> {
  const path = join(folder, file.name)
  const found = existsSync(path) ? await sha256Of(path) : 'no file'
  if (found === file.sha256) return
  throw new SluiceError('CHECKSUM_MISMATCH', {
    what: `the downloaded ${file.name} is not the pinned one`,
    why: `its sha256 is ${found}, pinned is ${file.sha256}`,
    ways: [
      "remove the file from Maven's local repository and try again: a download may have broken",
      'check what your Maven mirror serves',
    ],
  })
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

function digestOf(part: Part): string {
  return createHash('sha256').update(JSON.stringify(part)).digest('hex').slice(0, 12)
}

function removeLeftovers(name: PartName): void {
  for (const entry of readdirSync(cacheFolder())) {
    if (entry.startsWith(`staging-${name}-`)) rmSync(join(cacheFolder(), entry), { recursive: true, force: true })
  }
}

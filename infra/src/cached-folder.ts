/**
 * A folder of the cache that is made once, whatever it is made from.
 *
 *   staging folder --`make` has verified and unpacked--> renamed to its name
 *
 * Under its name a folder is whole. Killed in the middle, a staging folder is left.
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { withFileLock } from './file-lock.ts'
import { cacheFolder } from './folders.ts'
import type { OnServerProgress } from './progress.ts'

export interface CachedFolder {
  /** Names the thing, its version and the platform. */
  readonly name: string
  /** For people: `ClickHouse 26.5.1`. */
  readonly what: string
  readonly onProgress: OnServerProgress
}

/** The folder under its final name, whether or not it is there. */
export function cachedFolderPath(name: string): string {
  return join(cacheFolder(), name)
}

/**
 * @param make Gets an empty staging folder; returns the folder within it, or itself, that is to be kept.
 * @returns the folder
 */
export async function cachedFolder(
  { name, what, onProgress }: CachedFolder,
  make: (staging: string) => Promise<string>,
): Promise<string> {
  const folder = cachedFolderPath(name)
  if (existsSync(folder)) return folder
  const onWaiting = () => {
    onProgress({ kind: 'waiting', what: `another process that gets ${what}` })
  }
  return withFileLock(`${folder}.lock`, onWaiting, async () => {
    if (existsSync(folder)) return folder
    onProgress({ kind: 'waiting', what: `the download of ${what}` })
    const staging = mkdtempSync(join(cacheFolder(), `staging-${name}-`))
    try {
      renameSync(await make(staging), folder)
    } finally {
      rmSync(staging, { recursive: true, force: true })
    }
    return folder
  })
}

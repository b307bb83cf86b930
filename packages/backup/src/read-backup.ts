/** Reads the dump of a backup, in the clear, after it was proven to be the one that the manifest names. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { KeyObject } from 'node:crypto'
import type { Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SluiceError } from '@sluice/core'
import type { MasterKeys } from '@sluice/privacy'
import { type BackupManifest, backupFolder, boundTo, damaged, dumpFile } from './manifest.ts'
import { SealBroken, opening } from './sealed-stream.ts'

export interface BackupFile {
  readonly root: string
  readonly manifest: BackupManifest
  readonly keys: MasterKeys | null
}

/** Reads all of it and changes nothing. @throws SluiceError SLU-7106 */
export async function assertUndamaged({ root, manifest }: BackupFile, signal: AbortSignal): Promise<void> {
  const folder = backupFolder(root, manifest.database)
  const path = dumpFile(folder, manifest)
  const hash = createHash('sha256')
  let bytes = 0n
  try {
    await pipeline(
      createReadStream(path),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          hash.update(chunk)
          bytes += BigInt(chunk.length)
        }
      },
      { signal },
    )
  } catch (error) {
    signal.throwIfAborted()
    throw damaged(folder, `${path} can not be read: ${codeOf(error)}`, error)
  }
  if (bytes !== manifest.file.bytes) throw damaged(folder, `${path} has ${bytes} bytes, its manifest says ${manifest.file.bytes}`)
  const found = hash.digest('hex')
  if (found !== manifest.file.sha256)
    throw damaged(folder, `the sha256 of ${path} is ${found}, its manifest says ${manifest.file.sha256}`)
}

/** @throws SluiceError SLU-7107 */
export function assertKeyAtHand({ manifest, keys }: BackupFile): void {
  openerKey(manifest, keys)
}

/** Carries the dump in the clear to where it is read. @throws SluiceError SLU-7106, SLU-7107; those of the stream that it goes to */
export async function readDump({ root, manifest, keys }: BackupFile, to: Writable): Promise<void> {
  const folder = backupFolder(root, manifest.database)
  const key = openerKey(manifest, keys)
  const opener: readonly Transform[] = key === null ? [] : [opening(key, boundTo(manifest))]
  try {
    await pipeline([createReadStream(dumpFile(folder, manifest)), ...opener, to])
  } catch (error) {
    if (error instanceof SealBroken) throw damaged(folder, `${error.message} with key "${manifest.encryption?.key ?? ''}"`, error)
    throw error
  }
}

/** Null where it is not encrypted. */
function openerKey({ encryption, database }: BackupManifest, keys: MasterKeys | null): KeyObject | null {
  if (encryption === null) return null
  const key = keys?.keys.get(encryption.key)
  if (key) return key
  throw new SluiceError('BACKUP_KEY_MISSING', {
    what: `the backup of ${database} is encrypted with key "${encryption.key}"`,
    why: keys === null ? 'SLUICE_BACKUP_KEY is not set' : `SLUICE_BACKUP_KEY has ${[...keys.keys.keys()].join(', ')}`,
    ways: [`export SLUICE_BACKUP_KEY="${encryption.key}:<its key>"    or add it behind the others`],
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

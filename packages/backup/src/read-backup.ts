/** Reads the files of a backup, in the clear, after they were proven to be those that the manifest names. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { KeyObject } from 'node:crypto'
import type { Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { SluiceError } from '@sluice/core'
import type { MasterKeys } from '@sluice/privacy'
import { CountedLines } from './counted-lines.ts'
import {
  type BackedUpSinkTable,
  type BackupManifest,
  type BackupPart,
  type StoredFile,
  backupFolder,
  damaged,
  dumpPart,
  sinkPart,
} from './manifest.ts'
import { measured } from './measured-stream.ts'
import { SealBroken, opening } from './sealed-stream.ts'

export interface BackupFile {
  readonly root: string
  readonly manifest: BackupManifest
  readonly keys: MasterKeys | null
}

/** Reads all of it and changes nothing. @throws SluiceError SLU-7106 */
export async function assertUndamaged({ root, manifest }: BackupFile, signal: AbortSignal): Promise<void> {
  const folder = backupFolder(root, manifest.database)
  await assertStored(folder, dumpPart(folder, manifest), manifest.file, signal)
  for (const table of manifest.sinks) await assertStored(folder, sinkPart(folder, manifest, table), table.file, signal)
}

async function assertStored(folder: string, { path }: BackupPart, expected: StoredFile, signal: AbortSignal): Promise<void> {
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
  if (bytes !== expected.bytes) throw damaged(folder, `${path} has ${bytes} bytes, its manifest says ${expected.bytes}`)
  const found = hash.digest('hex')
  if (found !== expected.sha256) throw damaged(folder, `the sha256 of ${path} is ${found}, its manifest says ${expected.sha256}`)
}

/** @throws SluiceError SLU-7107 */
export function assertKeyAtHand({ manifest, keys }: BackupFile): void {
  openerKey(manifest, keys)
}

/**
 * Carries the dump in the clear to where it is read.
 *
 * @param onBytes Called with the bytes of each piece of the file.
 * @throws SluiceError SLU-7106, SLU-7107; those of the stream that it goes to
 */
export async function readDump(
  backup: BackupFile,
  to: Writable,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<void> {
  const { folder, part, opener } = opened(backup, (at, manifest) => dumpPart(at, manifest))
  try {
    await pipeline([createReadStream(part.path), measured((piece) => onBytes(piece.length)), ...opener, to])
  } catch (error) {
    throw unsealed(error, folder, backup)
  }
}

/**
 * Carries the rows of a sink's table to where they are taken, and counts them.
 *
 * @throws SluiceError SLU-7106 also where their number is not that of the manifest; SLU-7107; those of the stream; the signal's reason
 */
export async function readSinkTable(
  backup: BackupFile,
  table: BackedUpSinkTable,
  to: Writable,
  signal: AbortSignal,
): Promise<void> {
  const { folder, part, opener } = opened(backup, (at, manifest) => sinkPart(at, manifest, table))
  const counted = new CountedLines()
  try {
    await pipeline([createReadStream(part.path), ...opener, createGunzip(), counted, to], { signal })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      throw damaged(folder, `${part.path} can not be unpacked: ${String(error.code)}`, error)
    }
    throw unsealed(error, folder, backup)
  }
  if (counted.lines !== table.rows)
    throw damaged(folder, `${part.path} has ${counted.lines} rows, its manifest says ${table.rows}`)
}

function opened(
  { root, manifest, keys }: BackupFile,
  partOf: (folder: string, manifest: BackupManifest) => BackupPart,
): { readonly folder: string; readonly part: BackupPart; readonly opener: readonly Transform[] } {
  const folder = backupFolder(root, manifest.database)
  const part = partOf(folder, manifest)
  const key = openerKey(manifest, keys)
  return { folder, part, opener: key === null ? [] : [opening(key, part.bound)] }
}

function unsealed(error: unknown, folder: string, { manifest }: BackupFile): unknown {
  if (!(error instanceof SealBroken)) return error
  return damaged(folder, `${error.message} with key "${manifest.encryption?.key ?? ''}"`, error)
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

/**
 * What a backup says of itself. It is written last, into the folder that then gets its name: a backup without a manifest is none.
 *
 *   <to>/<database>/manifest.json
 *                   database.dump          custom format of pg_dump; with `.sealed` where it is encrypted
 */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, toJson } from '@sluice/core'
import { z } from 'zod'

export const MANIFEST_FILE = 'manifest.json'

const count = z.string().regex(/^\d+$/).transform(BigInt)

const Manifest = z.object({
  format: z.literal(1),
  system: z.string(),
  /** `monolith`, `pipeline`, or a service's name. */
  database: z.string(),
  /** `host:port/database`, as it was backed up. */
  source: z.string(),
  /** Versions, as `16.14`. */
  server: z.string(),
  pgDump: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  file: z.object({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  /** Level of gzip; null for pg_dump's own. */
  compression: z.number().int().min(0).max(9).nullable(),
  /** Id of the key in SLUICE_BACKUP_KEY; null if the file is in the clear. */
  encryption: z.object({ algorithm: z.literal('aes-256-gcm'), key: z.string() }).nullable(),
  /** Counted in the snapshot that was dumped. */
  tables: z.array(z.object({ schema: z.string(), name: z.string(), rows: count })),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
  /** Roles that rights and policies in it name. */
  roles: z.array(z.string()),
  /** How far each lane was: applied in a service, stored in the pipeline database. */
  positions: z.array(z.object({ lane: z.string(), epoch: z.string(), position: count })),
})

export type BackupManifest = z.output<typeof Manifest>
export type BackedUpTable = BackupManifest['tables'][number]

/** Where the backup of a database is. */
export function backupFolder(root: string, database: string): string {
  return join(root, database)
}

export function dumpFile(folder: string, { encryption }: Pick<BackupManifest, 'encryption'>): string {
  return join(folder, encryption === null ? 'database.dump' : 'database.dump.sealed')
}

/** What an encrypted file is bound to. */
export function boundTo({ system, database, startedAt }: Pick<BackupManifest, 'system' | 'database' | 'startedAt'>): string {
  return JSON.stringify(['backup', system, database, startedAt])
}

/** It is on the disk when this returns. */
export async function writeManifest(folder: string, manifest: BackupManifest): Promise<void> {
  const file = await open(join(folder, MANIFEST_FILE), 'wx', 0o600)
  try {
    await file.writeFile(`${toJson(manifest, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** @throws SluiceError SLU-7105 if there is none, SLU-7106 if it can not be read */
export async function readManifest(root: string, database: string): Promise<BackupManifest> {
  const folder = backupFolder(root, database)
  let text: string
  try {
    text = await readFile(join(folder, MANIFEST_FILE), 'utf8')
  } catch (cause) {
    throw new SluiceError('BACKUP_NOT_FOUND', {
      what: `${root} holds no backup of ${database}`,
      why: `${join(folder, MANIFEST_FILE)} can not be read: ${cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'}`,
      ways: [`sluice backup verify ${root}    shows what is there`, `sluice backup ${database} --to <another folder>`],
      cause,
    })
  }
  try {
    const manifest = Manifest.parse(JSON.parse(text))
    if (manifest.database === database) return manifest
    throw new Error(`it is of "${manifest.database}"`)
  } catch (cause) {
    throw damaged(folder, `its manifest can not be used: ${reasonOf(cause)}`, cause)
  }
}

/** @param folder of the backup */
export function damaged(folder: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('BACKUP_DAMAGED', {
    what: `the backup ${folder} can not be used`,
    why,
    ways: ['take another backup, or another copy of this one', 'sluice backup verify <folder>    checks each backup in a folder'],
    cause,
  })
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ')
  return error instanceof Error ? error.message : String(error)
}

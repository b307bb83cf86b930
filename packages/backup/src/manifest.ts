/**
 * What a backup says of itself. It is written last, into the folder that then gets its name: a backup without a manifest is none.
 *
 *   <to>/<database>/manifest.json
 *                   database.dump                          custom format of pg_dump
 *                   clickhouse.opportunity_events.rows.gz  a table of the service's sink: a line a row
 *
 * Files end with `.sealed` where they are encrypted.
 */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, toJson } from '@sluice/core'
import { z } from 'zod'

export const MANIFEST_FILE = 'manifest.json'

const count = z.string().regex(/^\d+$/).transform(BigInt)
/** As it is on the disk. */
const StoredFile = z.object({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })

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
  file: StoredFile,
  /** Level of gzip; null for pg_dump's own. */
  compression: z.number().int().min(0).max(9).nullable(),
  /** Id of the key in SLUICE_BACKUP_KEY; null if the file is in the clear. */
  encryption: z.object({ algorithm: z.literal('aes-256-gcm'), key: z.string() }).nullable(),
  /** Counted in the snapshot that was dumped. */
  tables: z.array(z.object({ schema: z.string(), name: z.string(), rows: count })),
  /** Indexes and foreign keys, which a restore makes after the rows; null in backups in which they were not counted yet. */
  indexes: z.number().int().nonnegative().nullable().default(null),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
  /** Roles that rights and policies in it name. */
  roles: z.array(z.string()),
  /** How far each lane was: applied in a service, stored in the pipeline database. */
  positions: z.array(z.object({ lane: z.string(), epoch: z.string(), position: count })),
  /** Tables of the service's sink. None where the backup was made without them, or before there were any in backups. */
  sinks: z
    .array(z.object({ store: z.string().regex(/^[a-z]+$/), table: z.string(), rows: count, file: StoredFile }))
    .default(() => []),
})

export type BackupManifest = z.output<typeof Manifest>
export type BackedUpTable = BackupManifest['tables'][number]
export type BackedUpSinkTable = BackupManifest['sinks'][number]
export type StoredFile = BackupManifest['file']

/** A file of a backup: what it must be, and what it is bound to where it is encrypted. */
export interface BackupPart {
  readonly path: string
  readonly bound: string
}

/** Where the backup of a database is. */
export function backupFolder(root: string, database: string): string {
  return join(root, database)
}

type Origin = Pick<BackupManifest, 'system' | 'database' | 'startedAt' | 'encryption'>

/** @param folder of the backup */
export function dumpPart(folder: string, origin: Origin): BackupPart {
  return partOf(folder, 'database.dump', origin, [])
}

/** @param folder of the backup */
export function sinkPart(
  folder: string,
  origin: Origin,
  { store, table }: Pick<BackedUpSinkTable, 'store' | 'table'>,
): BackupPart {
  // A table may have any name; a file may not.
  return partOf(folder, `${store}.${encodeURIComponent(table)}.rows.gz`, origin, [store, table])
}

function partOf(
  folder: string,
  name: string,
  { system, database, startedAt, encryption }: Origin,
  of: readonly string[],
): BackupPart {
  return {
    path: join(folder, encryption === null ? name : `${name}.sealed`),
    bound: JSON.stringify(['backup', system, database, startedAt, ...of]),
  }
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

/** Checks the backups in a folder without any database: each file is the one of its manifest, pg_restore reads the dump, and tables of sinks have all their rows. */
import { readdir } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { SluiceError, toSluiceError } from '@sluice/core'
import type { MasterKeys } from '@sluice/privacy'
import { type BackupTool, assertReads } from './backup-tool.ts'
import { type BackupManifest, backupFolder, readManifest } from './manifest.ts'
import { type BackupFile, assertKeyAtHand, assertUndamaged, readDump, readSinkTable } from './read-backup.ts'
import { writeToTool } from './run-tool.ts'
import { toolPath } from './tool-environment.ts'

export interface CheckedBackup {
  readonly database: string
  /** Null where it can not be read. */
  readonly manifest: BackupManifest | null
  /** Null: it is whole. */
  readonly error: SluiceError | null
}

export interface CheckedBackups {
  readonly backups: readonly CheckedBackup[]
  /** Folders that a killed backup left, by their names: they may be removed where none is at work. */
  readonly partial: readonly string[]
}

export interface CheckOptions {
  /** Folder of the backups of several databases. */
  readonly root: string
  readonly tool: BackupTool
  readonly keys: MasterKeys | null
  readonly onBackup?: (database: string) => void
  readonly signal: AbortSignal
}

/** @throws SluiceError SLU-7105 if no backup is there */
export async function verifyBackups(options: CheckOptions): Promise<CheckedBackups> {
  const { root, onBackup, signal } = options
  const folders = await foldersIn(root)
  const isPartial = (name: string): boolean => /^\..*\.partial$/.test(name)
  const databases = folders.filter((name) => !name.startsWith('.'))
  if (databases.length === 0) throw none(root, folders.filter(isPartial))
  const backups: CheckedBackup[] = []
  for (const database of databases) {
    onBackup?.(database)
    let manifest: BackupManifest | null = null
    try {
      manifest = await readManifest(root, database)
      await assertWhole({ root, manifest, keys: options.keys }, options.tool, signal)
      backups.push({ database, manifest, error: null })
    } catch (error) {
      signal.throwIfAborted()
      backups.push({ database, manifest, error: toSluiceError(error) })
    }
  }
  return { backups, partial: folders.filter(isPartial) }
}

/** @throws SluiceError SLU-7102, SLU-7106, SLU-7107 */
export async function assertWhole(backup: BackupFile, tool: BackupTool, signal: AbortSignal): Promise<void> {
  const { root, manifest } = backup
  assertReads(tool, manifest.pgDump)
  assertKeyAtHand(backup)
  await assertUndamaged(backup, signal)
  const folder = backupFolder(root, manifest.database)
  await writeToTool(
    {
      tool,
      args: ['--list', '--format=custom'],
      environment: toolPath(),
      failure: {
        code: 'BACKUP_DAMAGED',
        what: `the backup ${folder} can not be used`,
        ways: ['take another backup, or another copy of this one'],
      },
      signal,
    },
    (input) => readDump(backup, input),
  )
  for (const table of manifest.sinks) await readSinkTable(backup, table, nowhere(), signal)
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}

async function foldersIn(root: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true })
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()
  } catch (cause) {
    throw notFound(
      root,
      cause instanceof Error && 'code' in cause ? `it can not be read: ${String(cause.code)}` : 'it can not be read',
      cause,
    )
  }
}

function none(root: string, partial: readonly string[]): SluiceError {
  return notFound(
    root,
    partial.length > 0 ? `only what a backup left that did not end: ${partial.join(', ')}` : 'it holds no folder of a database',
  )
}

function notFound(root: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('BACKUP_NOT_FOUND', {
    what: `${root} holds no backup`,
    why,
    ways: [`sluice backup --to ${root}`],
    cause,
  })
}

/**
 * The backups that a schedule has of one database, as they are on the disk.
 *
 *   <folder>/<schedule>/<20261121T020000Z>/<database>/   manifest.json, the dump, verification.json
 *                                          .<database>-….partial    being written, or left by who was killed
 *                                          .<database>-….removed    let go, its files not removed yet
 *
 * States of a backup: there, not checked → whole or damaged, for ever → removed, which begins with another name: what has the name of
 * its database is never a half one.
 */
import { randomBytes } from 'node:crypto'
import { readdir, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isSluiceError } from '@sluice/core'
import { type BackupManifest, backupFolder, damaged, readManifest } from './manifest.ts'
import { syncFolder } from './sync-folder.ts'
import { readVerification } from './verification.ts'

const STAMP = /^\d{8}T\d{6}Z$/

export interface BackupPlace {
  /** Of the plan. */
  readonly folder: string
  readonly system: string
  readonly schedule: string
  readonly database: string
}

interface Found {
  /** Folder that `sluice restore --from` takes. */
  readonly root: string
  readonly startedAt: Date
}

export type ScheduledBackup =
  | (Found & { readonly state: 'unverified'; readonly manifest: BackupManifest })
  | (Found & { readonly state: 'whole'; readonly manifest: BackupManifest; readonly verifiedAt: Date })
  | (Found & { readonly state: 'damaged'; readonly damage: string })

/** Where a backup that begins now is made. */
export function placeFor({ folder, schedule }: BackupPlace, now: Date): string {
  return join(folder, schedule, `${now.toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length).replaceAll(/[-:]/g, '')}Z`)
}

/** The oldest first. @throws faults of the file system */
export async function findBackups(place: BackupPlace): Promise<readonly ScheduledBackup[]> {
  const backups: ScheduledBackup[] = []
  for (const root of await stampsOf(place)) {
    if ((await namesIn(root)).includes(place.database)) backups.push(await readBackup(root, place))
  }
  return backups.toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
}

/** Removes what killed runs left of this database. Only who holds its lock may: another one may be at work in it. */
export async function removeLeftovers(place: BackupPlace): Promise<void> {
  for (const root of await stampsOf(place)) {
    const leftovers = (await namesIn(root)).filter((name) => isLeftover(name, place.database))
    for (const name of leftovers) await rm(join(root, name), { recursive: true, force: true })
    await removeEmpty(root)
  }
}

/** Killed in the middle, it is no backup any more, and the next run removes the rest. */
export async function removeBackup({ root }: Found, { database }: BackupPlace): Promise<void> {
  const removed = join(root, `.${database}-${randomBytes(6).toString('hex')}.removed`)
  await rename(backupFolder(root, database), removed)
  await syncFolder(root)
  await rm(removed, { recursive: true })
  await removeEmpty(root)
}

async function readBackup(root: string, { system, database }: BackupPlace): Promise<ScheduledBackup> {
  const folder = backupFolder(root, database)
  try {
    const manifest = await readManifest(root, database)
    if (manifest.system !== system) throw damaged(folder, `it is of system "${manifest.system}"`)
    const found = { root, startedAt: new Date(manifest.startedAt), manifest }
    const verification = await readVerification(folder)
    if (verification === null) return { ...found, state: 'unverified' }
    if (verification.damage !== null) return { ...found, state: 'damaged', damage: verification.damage }
    return { ...found, state: 'whole', verifiedAt: new Date(verification.verifiedAt) }
  } catch (error) {
    if (!isSluiceError(error, 'BACKUP_DAMAGED') && !isSluiceError(error, 'BACKUP_NOT_FOUND')) throw error
    return { root, startedAt: timeOf(root), state: 'damaged', damage: error.why }
  }
}

async function stampsOf({ folder, schedule }: BackupPlace): Promise<readonly string[]> {
  const parent = join(folder, schedule)
  return (await namesIn(parent)).filter((name) => STAMP.test(name)).map((name) => join(parent, name))
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    // Not made yet, or removed by a run of another database.
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** One that others still have something in stays. */
async function removeEmpty(root: string): Promise<void> {
  try {
    await rmdir(root)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].some((code) => hasCode(error, code))) throw error
  }
}

function isLeftover(name: string, database: string): boolean {
  return name.startsWith(`.${database}-`) && /^[0-9a-f]{12}\.(partial|removed)$/.test(name.slice(`.${database}-`.length))
}

function timeOf(root: string): Date {
  const [, date, time] = /(\d{8})T(\d{6})Z$/.exec(root)!
  return new Date(`${date!.replace(/(....)(..)(..)/, '$1-$2-$3')}T${time!.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`)
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/**
 * What a check of a backup found, beside it: `verification.json`. A backup without one was not checked yet. It is written under
 * another name, synced and renamed, so that one that is there is whole.
 */
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { toJson } from '@sluice/core'
import { z } from 'zod'
import { damaged } from './manifest.ts'
import { syncFolder } from './sync-folder.ts'

const VERIFICATION_FILE = 'verification.json'

const Verification = z.object({
  format: z.literal(1),
  verifiedAt: z.iso.datetime(),
  /** Version of pg_restore. */
  pgRestore: z.string(),
  /** Null: it is whole. Else what is wrong with it. */
  damage: z.string().nullable(),
})

export type Verification = z.output<typeof Verification>

/** @param folder of the backup. It is on the disk when this returns. */
export async function writeVerification(folder: string, verification: Verification): Promise<void> {
  const path = join(folder, VERIFICATION_FILE)
  const file = await open(`${path}.partial`, 'w', 0o600)
  try {
    await file.writeFile(`${toJson(verification, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.partial`, path)
  await syncFolder(folder)
}

/** Null where it was not checked yet. @throws SluiceError SLU-7106 if it can not be used; faults of the file system */
export async function readVerification(folder: string): Promise<Verification | null> {
  let text: string
  try {
    text = await readFile(join(folder, VERIFICATION_FILE), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  const parsed = Verification.safeParse(jsonOf(text))
  if (parsed.success) return parsed.data
  throw damaged(folder, `its ${VERIFICATION_FILE} can not be used`, parsed.error)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Lock files: one process at a time downloads a part, or works on the servers of a project. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import { identifyProcess, isRunning } from './process-identity.ts'
import { processIdentitySchema } from './process-spec.ts'

const POLL_MS = 200

/**
 * Runs work while holding the lock file. The lock of a holder that no longer runs is taken over.
 *
 * @param onWaiting called once when another process holds the lock
 */
export async function withFileLock<T>(file: string, onWaiting: () => void, work: () => Promise<T>): Promise<T> {
  let isWaiting = false
  while (!take(file)) {
    if (!isWaiting) onWaiting()
    isWaiting = true
    await delay(POLL_MS)
  }
  try {
    return await work()
  } finally {
    rmSync(file, { force: true })
  }
}

/** The lock appears with its holder's name in it: a link to a file that is written already. */
function take(file: string): boolean {
  const own = `${file}.${randomUUID()}`
  writeFileSync(own, JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 })
  try {
    linkSync(own, file)
    return true
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    if (!isHeld(file)) putAside(file)
    return false
  } finally {
    rmSync(own, { force: true })
  }
}

/** Another process may have taken the stale lock over in between: then it is put back. */
function putAside(file: string): void {
  const aside = `${file}.${randomUUID()}`
  try {
    renameSync(file, aside)
    if (isHeld(aside)) linkSync(aside, file)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function isHeld(file: string): boolean {
  try {
    return isRunning(processIdentitySchema.parse(JSON.parse(readFileSync(file, 'utf8'))))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

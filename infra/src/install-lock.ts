/** One process at a time downloads into the cache. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { identifyProcess, isRunning } from './process-identity.ts'
import { processIdentitySchema } from './process-spec.ts'

const POLL_MS = 200

/**
 * Runs work while holding the lock file. A lock whose holder no longer runs is taken over.
 *
 * @param onWaiting called once when another process holds the lock
 */
export async function withInstallLock<T>(file: string, onWaiting: () => void, work: () => Promise<T>): Promise<T> {
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

/** Two that take over the same stale lock at once may both go on: what they install is renamed into place whole. */
function take(file: string): boolean {
  try {
    const handle = openSync(file, 'wx', 0o600)
    writeSync(handle, JSON.stringify(identifyProcess(process.pid)))
    closeSync(handle)
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    if (!isHeld(file)) rmSync(file, { force: true })
    return false
  }
}

function isHeld(file: string): boolean {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
  // Empty: its maker is between opening and writing, or was killed there.
  if (text === '') return true
  return isRunning(processIdentitySchema.parse(JSON.parse(text)))
}

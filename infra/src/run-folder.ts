/**
 * Run folders: one for each set of servers, with their data, logs and `processes.jsonl`.
 *
 * The watcher of a run removes its folder. What a killed watcher left is ended and removed by the next start: a run
 * whose watcher is gone belongs to nobody, unless it was released and a state file names it.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { endProcesses } from './end-processes.ts'
import { runsFolder } from './folders.ts'
import { isRunning } from './process-identity.ts'
import { processRecordSchema, type ProcessRecord } from './process-spec.ts'

/** Between making the folder and the watcher's first line: a younger folder without lines is left alone. */
const START_GRACE_MS = 60_000

/** Makes an empty run folder. */
export function createRunFolder(): string {
  const folder = mkdtempSync(join(runsFolder(), 'run-'))
  chmodSync(folder, 0o711)
  return folder
}

/**
 * Ends and removes what runs without a watcher left behind.
 *
 * @param isKept says whether a released run is named by a state file
 * @returns the folders removed
 */
export async function removeStaleRuns(isKept: (runFolder: string) => boolean): Promise<string[]> {
  const removed: string[] = []
  for (const name of readdirSync(runsFolder())) {
    const folder = join(runsFolder(), name)
    if (!name.startsWith('run-') || !isStale(folder, isKept)) continue
    await removeRun(folder)
    removed.push(folder)
  }
  return removed
}

/** Ends every server that the run recorded and removes its folder. */
export async function removeRun(folder: string): Promise<void> {
  await endProcesses(readRecords(folder).filter((record) => record.type === 'server'))
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

function isStale(folder: string, isKept: (runFolder: string) => boolean): boolean {
  const records = readRecords(folder)
  if (records.length === 0) return ageMs(folder) > START_GRACE_MS
  if (records.some((record) => record.type === 'watcher' && isRunning(record.process))) return false
  return !(records.some((record) => record.type === 'released') && isKept(folder))
}

/** What the run has recorded of itself so far. */
export function readRecords(folder: string): ProcessRecord[] {
  let text: string
  try {
    text = readFileSync(join(folder, 'processes.jsonl'), 'utf8')
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
  // The last line is incomplete where the watcher died while it wrote; its server was not announced to anybody.
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line) => processRecordSchema.parse(JSON.parse(line)))
}

function ageMs(folder: string): number {
  try {
    return Date.now() - statSync(folder).mtimeMs
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** Ends processes for good. */
import { setTimeout as delay } from 'node:timers/promises'
import { isActive, isKnown, isRunning, signalProcess, type ProcessIdentity } from './process-identity.ts'

export interface EndingProcess {
  readonly process: ProcessIdentity
  readonly endSignal: NodeJS.Signals
}

const POLL_MS = 10

/** Sends each its end signal, and SIGKILL to what still runs after `graceMs`. Resolves when none runs. */
export async function endProcesses(processes: readonly EndingProcess[], graceMs = 5_000): Promise<void> {
  for (const { process, endSignal } of processes) signalProcess(process, endSignal)
  const identities = processes.map((p) => p.process)
  if (await areGone(identities, graceMs)) return
  for (const identity of identities) signalProcess(identity, 'SIGKILL')
  await areGone(identities, graceMs)
}

/** Waits until none of the processes runs; false when one still does after `timeoutMs`. */
export async function areGone(identities: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  return noneIs(isRunning, identities, timeoutMs)
}

/**
 * Waits until the system has forgotten the processes. PostgreSQL and Kafka refuse a data folder whose lock names a
 * process id that the system still knows. false after `timeoutMs`: some systems' first process never takes notice.
 */
export async function areForgotten(identities: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  return noneIs(isKnown, identities, timeoutMs)
}

/** Waits until each of the processes stands still, stopped by SIGSTOP or ended; false after `timeoutMs`. */
export async function areStill(identities: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  return noneIs(isActive, identities, timeoutMs)
}

/** Nothing tells of the end of a process that is no child of this one, so it is asked for. */
async function noneIs(
  state: (identity: ProcessIdentity) => boolean,
  identities: readonly ProcessIdentity[],
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (identities.some(state)) {
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
  return true
}

/**
 * A process by id and start time: an id alone may belong to a newer process, which must never be ended by mistake.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Opaque text: on Linux boot id and ticks since boot, elsewhere the start time that ps prints. */
  readonly startedAt: string
}

/** The identity of a running process; undefined when it does not run, or only waits to be reaped. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const entry = processEntry(pid)
  return entry === undefined || entry.isEnded ? undefined : { pid, startedAt: entry.startedAt }
}

/** The identity of a child of this process that was not reaped yet: it may have ended since. Undefined when there is none. */
export function identifyChild(pid: number): ProcessIdentity | undefined {
  const entry = processEntry(pid)
  return entry === undefined ? undefined : { pid, startedAt: entry.startedAt }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt
}

/** Whether the process runs and was not stopped by SIGSTOP: it may do anything next, such as start a child. */
export function isActive(identity: ProcessIdentity): boolean {
  const entry = processEntry(identity.pid)
  return entry?.startedAt === identity.startedAt && !entry.isEnded && !entry.isStopped
}

/** Whether the system still knows the process: it runs, or has ended and its parent has not taken notice yet. */
export function isKnown(identity: ProcessIdentity): boolean {
  return processEntry(identity.pid)?.startedAt === identity.startedAt
}

/** Sends a signal to exactly this process; false when it no longer runs. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false
  try {
    return process.kill(identity.pid, signal)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

/** The processes whose parent is `pid`. */
export function childrenOf(pid: number): ProcessIdentity[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .flatMap(([child]) => identifyProcess(child!) ?? [])
}

interface ProcessEntry {
  readonly startedAt: string
  readonly isEnded: boolean
  readonly isStopped: boolean
}

function processEntry(pid: number): ProcessEntry | undefined {
  return process.platform === 'linux' ? linuxEntry(pid) : psEntry(pid)
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: field 3 is the state, field 22 the start in ticks. */
function linuxEntry(pid: number): ProcessEntry | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The command name in parentheses may hold spaces; what follows the last one is regular.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const boot = readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? 'boot'
  const state = fields[0]
  return { startedAt: `${boot}:${fields[19]!}`, isEnded: state === 'Z' || state === 'X', isStopped: state === 'T' }
}

function psEntry(pid: number): ProcessEntry | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    const [state, ...start] = line.split(/\s+/)
    if (state === undefined || state === '') return undefined
    return { startedAt: start.join(' '), isEnded: state.startsWith('Z'), isStopped: state.startsWith('T') }
  } catch {
    // ps exits with 1 when no process has the id.
    return undefined
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    // ESRCH: the process ended between open and read.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return undefined
    throw error
  }
}

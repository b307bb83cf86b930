/**
 * Runs pg_dump or pg_restore with a stream at one of its ends. Whatever happens, the program has ended when this returns: it is
 * stopped when the stream fails or the caller gives up, and when this process is killed it ends by itself, at its closed pipe.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { type ErrorName, SluiceError, isSluiceError } from '@sluice/core'
import type { BackupTool } from './backup-tool.ts'
import { ToolMessages, type ToolStep } from './tool-messages.ts'

export interface ToolRun {
  readonly tool: BackupTool
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly onStep?: (step: ToolStep) => void
  /** Code and text of the error, where the program fails. */
  readonly failure: { readonly code: ErrorName; readonly what: string; readonly ways: readonly string[] }
  readonly signal: AbortSignal
}

/** @param flow Carries what the program writes to where it belongs. @throws SluiceError of `failure`, those of the flow; the signal's reason */
export async function readFromTool(run: ToolRun, flow: (output: Readable) => Promise<void>): Promise<void> {
  const child = spawn(run.tool.file, run.args, { env: run.environment, stdio: ['ignore', 'pipe', 'pipe'] })
  await settle(
    run,
    child,
    child.stderr,
    () => flow(child.stdout),
    () => false,
  )
}

/**
 * @param flow Carries to the program what it reads; its output is dropped. A program that has read enough may close its input: then
 *   only its exit code counts.
 * @throws as `readFromTool`
 */
export async function writeToTool(run: ToolRun, flow: (input: Writable) => Promise<void>): Promise<void> {
  const child = spawn(run.tool.file, run.args, { env: run.environment, stdio: ['pipe', 'ignore', 'pipe'] })
  await settle(run, child, child.stderr, () => flow(child.stdin), isClosedPipe)
}

async function settle(
  run: ToolRun,
  child: ChildProcess,
  stderr: Readable,
  flow: () => Promise<void>,
  isHarmless: (fault: unknown) => boolean,
): Promise<void> {
  const { signal, failure, tool } = run
  const messages = new ToolMessages((step) => run.onStep?.(step))
  stderr.setEncoding('utf8').on('data', (chunk: string) => {
    messages.take(chunk)
  })
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, by) => resolve({ code, signal: by }))
  })
  const flowing = flow().catch((error: unknown) => {
    if (!isHarmless(error)) stop()
    throw error
  })
  const [end, flowed] = await Promise.allSettled([ended, flowing])
  signal.removeEventListener('abort', stop)
  signal.throwIfAborted()
  const fault = flowed.status === 'rejected' ? (flowed.reason as unknown) : null
  if (isSluiceError(fault)) throw fault
  const fail = (why: string, cause: unknown, errorName = failure.code): SluiceError =>
    new SluiceError(errorName, { ...failure, why, cause })
  // What did not run, or was ended by somebody, says nothing of a backup.
  if (end.status === 'rejected') throw fail(`${tool.file} does not run`, end.reason, 'BACKUP_FAILED')
  const { code, signal: by } = end.value
  const isFlowed = fault === null || isHarmless(fault)
  if (code === 0 && isFlowed) return
  if (!isFlowed) throw fail(fault instanceof Error ? fault.message : 'its stream broke', fault)
  const said = messages.errors.length > 0 ? `: ${messages.errors.join('; ')}` : ''
  if (by !== null) throw fail(`${tool.name} ended with ${by}${said}`, fault ?? undefined, 'BACKUP_FAILED')
  throw fail(`${tool.name} ended with exit code ${code ?? 'unknown'}${said}`, fault ?? undefined)
}

function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_PREMATURE_CLOSE')
}

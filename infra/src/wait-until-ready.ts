/** Waits for a server's first answer. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Probe } from './server-probe.ts'

const READY_TIMEOUT_MS = 150_000
const PROBE_INTERVAL_MS = 50

/**
 * Asks until the server answers: nothing else tells when that is.
 *
 * @param exited the process's end, where it is known: then there is nothing to wait for
 * @throws Error that says why it gave up
 */
export async function waitUntilReady(probe: Probe, exited?: Promise<string>): Promise<void> {
  let exit: string | undefined
  exited?.then(
    (reason) => (exit = reason),
    () => undefined,
  )
  const deadline = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    const fault = await probe().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    if (exit !== undefined) throw new Error(`it ended with ${exit}`)
    if (fault === undefined) return
    if (performance.now() > deadline) throw new Error(`no answer within ${READY_TIMEOUT_MS / 1000} s (${fault})`)
    await delay(PROBE_INTERVAL_MS)
  }
}

/**
 * SIGINT and SIGTERM. The first asks the command to stop cleanly, the second ends the process at once with 128 + n.
 */
import { constants } from 'node:os'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const
export type StopSignal = (typeof STOP_SIGNALS)[number]

export interface StopSignals {
  readonly signal: AbortSignal
  /** The signal that came first, or null. */
  readonly received: () => StopSignal | null
  dispose(): void
}

export function listenForStopSignals(say: (line: string) => void): StopSignals {
  const controller = new AbortController()
  let received: StopSignal | null = null
  const listeners = STOP_SIGNALS.map((name) => {
    const listener = (): void => {
      if (received !== null) process.exit(exitCodeOf(name))
      received = name
      say(`${name}: stopping cleanly; a second one ends at once`)
      controller.abort()
    }
    process.on(name, listener)
    return { name, listener }
  })
  return {
    signal: controller.signal,
    received: () => received,
    dispose: () => {
      for (const { name, listener } of listeners) process.off(name, listener)
    },
  }
}

/** 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOf(name: StopSignal): number {
  return 128 + constants.signals[name]
}

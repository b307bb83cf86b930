/**
 * One server as a local process: the same port and data folder over any number of stops, kills and starts.
 *
 *   stopped --start--> running --stop (clean), kill9 (at once)--> stopped
 *
 * L1  `start` resolves only when the server answers its protocol.
 * L2  `stop` and `kill9` resolve only when the process and its children are gone.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { SluiceError } from '@sluice/core'
import { areForgotten, areGone, areStill } from './end-processes.ts'
import { childrenOf, isRunning, signalProcess, type ProcessIdentity } from './process-identity.ts'
import type { ProcessLauncher } from './process-launcher.ts'
import type { ProcessSpec } from './process-spec.ts'
import type { Probe } from './server-probe.ts'
import { waitUntilReady } from './wait-until-ready.ts'

/** Starts and stops of one server, for fault tests. */
export interface ServerControl {
  start(): Promise<void>
  /** Clean: PostgreSQL's fast shutdown, Kafka's controlled one. */
  stop(): Promise<void>
  /** The process and its children get SIGKILL. */
  kill9(): Promise<void>
  restart(): Promise<void>
}

const STOP_TIMEOUT_MS = 60_000
const FORGOTTEN_TIMEOUT_MS = 10_000
const LOG_TAIL_BYTES = 4_096
const LOG_TAIL_LINES = 6

export class LocalServer implements ServerControl {
  readonly #launcher: ProcessLauncher
  readonly #spec: ProcessSpec
  readonly #probe: Probe
  #process: ProcessIdentity | undefined

  /** @param process the server's process, where it may run already */
  constructor(launcher: ProcessLauncher, spec: ProcessSpec, probe: Probe, process?: ProcessIdentity) {
    this.#launcher = launcher
    this.#spec = spec
    this.#probe = probe
    this.#process = process
  }

  get process(): ProcessIdentity | undefined {
    return this.#process
  }

  /** @throws SluiceError SLU-7001 with the end of the server's log */
  async start(): Promise<void> {
    if (this.#process !== undefined) {
      if (isRunning(this.#process)) return
      await areForgotten([this.#process], FORGOTTEN_TIMEOUT_MS)
    }
    const launched = await this.#launcher.launch(this.#spec).catch((error: unknown) => {
      throw this.#failure(error instanceof Error ? error.message : String(error), error)
    })
    this.#process = launched.identity
    await waitUntilReady(this.#probe, launched.exited).catch((error: unknown) => {
      throw this.#failure(`${error instanceof Error ? error.message : String(error)}; ${this.#logTail()}`, error)
    })
  }

  async stop(): Promise<void> {
    if (this.#process === undefined) return
    signalProcess(this.#process, this.#spec.stopSignal)
    if (await areGone([this.#process], STOP_TIMEOUT_MS)) return
    throw new Error(`${this.#spec.name} did not stop within ${STOP_TIMEOUT_MS / 1000} s of ${this.#spec.stopSignal}`)
  }

  async kill9(): Promise<void> {
    if (this.#process === undefined) return
    // Stopped it makes no more children: one that is made after they were looked for would live on, and work in the data folder.
    signalProcess(this.#process, 'SIGSTOP')
    await areStill([this.#process], STOP_TIMEOUT_MS)
    // PostgreSQL's backends have sessions of their own, so a process group does not hold them.
    const family = [this.#process, ...childrenOf(this.#process.pid)]
    for (const member of family) signalProcess(member, 'SIGKILL')
    if (await areGone(family, STOP_TIMEOUT_MS)) return
    throw new Error(`${this.#spec.name} still runs ${STOP_TIMEOUT_MS / 1000} s after SIGKILL`)
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  #failure(why: string, cause?: unknown): SluiceError {
    return new SluiceError('SERVER_START_FAILED', {
      what: `the local server ${this.#spec.name} did not start`,
      why,
      ways: ['sluice dev status', "set the server's URL in the environment to use one of your own"],
      cause,
    })
  }

  #logTail(): string {
    const file = openSync(this.#spec.logFile, 'r')
    try {
      const { size } = fstatSync(file)
      const bytes = Math.min(size, LOG_TAIL_BYTES)
      const buffer = Buffer.alloc(bytes)
      readSync(file, buffer, 0, bytes, size - bytes)
      const lines = buffer.toString('utf8').trim().split('\n').slice(-LOG_TAIL_LINES)
      return `its log ends with:\n${lines.join('\n')}`
    } finally {
      closeSync(file)
    }
  }
}

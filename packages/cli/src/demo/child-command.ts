/**
 * A `sluice run …` child of the demo: a process of its own, as in production. Its log goes into a file. It stops when its
 * standard input ends, so that it does not outlive a demo that was killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '@sluice/core'
import { NODE_FLAGS } from '../node-flags.ts'
import { loggedErrors } from './logged-errors.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const STOP_TIMEOUT_MS = 25_000
const LOG_LINES_SHOWN = 8

export class ChildCommand {
  readonly name: string
  readonly logFile: string
  readonly #child: ChildProcess
  readonly #ended: Promise<number>
  #isStopping = false

  constructor(args: readonly string[], environment: Readonly<Record<string, string>>, folder: string) {
    this.name = `sluice ${args.join(' ')}`
    this.logFile = path.join(folder, `${args.join('-')}.log`)
    const log = openSync(this.logFile, 'a', 0o600)
    this.#child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...args, '--stop-with-stdin'], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', log, log],
      // A Ctrl-C on the terminal goes to the demo, which stops its children in order.
      detached: true,
    })
    closeSync(log)
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
    })
  }

  /** Resolves only if the child ends without being asked to, with the error that says so. */
  async failure(): Promise<SluiceError> {
    const code = await this.#ended
    if (this.#isStopping) return new Promise(() => undefined)
    return new SluiceError('UNEXPECTED', {
      what: `${this.name} ended with exit code ${code}`,
      why: this.lastLines(),
      ways: [`${this.name} --debug`],
    })
  }

  /** Asks it to stop; ends it after a while. */
  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  /** Errors of its engines, each with the child's name. */
  errors(): readonly string[] {
    return loggedErrors(readFileSync(this.logFile, 'utf8')).map((error) => `${this.name}: ${error}`)
  }

  /** The end of its log. */
  lastLines(): string {
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n')
    return lines.slice(-LOG_LINES_SHOWN).join('\n')
  }
}

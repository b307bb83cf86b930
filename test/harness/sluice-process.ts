/** A `sluice` command as a process of its own, as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { NODE_FLAGS } from '@sluice/cli'

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))
const OUTPUT_BYTES_MAX = 64 * 1024
/** What Node has compiled is kept for the next process, which then starts in half the time. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/node-compile', import.meta.url))

/** A run that ends early, by a signal for example, takes its processes with it. */
const running = new Set<ChildProcess>()
process.once('exit', endRunning)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endRunning()
    // Whoever else listens ends the process; nobody else does so without this.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  })
}

function endRunning(): void {
  for (const child of running) child.kill('SIGKILL')
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class SluiceProcess {
  readonly args: readonly string[]
  readonly exit: Promise<Exit>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #rssMaxBytes = 0
  #healthPort: number | undefined

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.args = args
    this.#child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...args], {
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#stdout = tail(this.#stdout + chunk.toString())))
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = tail(this.#stderr + chunk.toString())
      // Asked now, since the line does not stay in the tail for ever.
      this.#healthPort ??= healthPortIn(this.#stderr)
    })
    running.add(this.#child)
    this.exit = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child)
        resolve({ code, signal })
      })
    })
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`sluice ${this.args.join(' ')} has not started`)
    return this.#child.pid
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The last 64 KiB of each stream. */
  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Where it tells its health and metrics; undefined until it has said so. */
  get healthPort(): number | undefined {
    return this.#healthPort
  }

  kill(signal: NodeJS.Signals): void {
    if (this.isRunning) process.kill(this.pid, signal)
  }

  /** Resident memory at its highest so far, as the kernel counted it (VmHWM). */
  rssMaxBytes(): number {
    if (this.isRunning) {
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]
      this.#rssMaxBytes = Math.max(this.#rssMaxBytes, Number(peak ?? 0) * 1024)
    }
    return this.#rssMaxBytes
  }

  /** CPU time so far, user and system, in microseconds (ticks of 10 ms). */
  cpuMicros(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  }

  /** Stops it as an operator does and waits; kills it after 30 s. */
  async stop(): Promise<Exit> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.kill('SIGKILL'), 30_000)
    const exit = await this.exit
    clearTimeout(timer)
    return exit
  }
}

/** Runs a command to its end. */
export async function runSluice(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const child = new SluiceProcess(args, env)
  const exit = await child.exit
  return { ...exit, stdout: child.stdout, stderr: child.stderr }
}

function healthPortIn(log: string): number | undefined {
  // With what stands behind the number: a piece of the log may end in its middle.
  const port = /"healthPort":(\d+)[,}]/.exec(log)?.[1]
  return port === undefined ? undefined : Number(port)
}

function tail(text: string): string {
  return text.length > OUTPUT_BYTES_MAX ? text.slice(-OUTPUT_BYTES_MAX) : text
}

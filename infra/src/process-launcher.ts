/**
 * The launcher's side of the watcher: starts processes through it, and ends them by closing the pipe.
 *
 * The watcher does not keep the launcher's event loop alive, except while an answer is awaited: a program that ends
 * without `end()` ends all the same, and its servers with it.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { endProcesses, type EndingProcess } from './end-processes.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { watcherReplySchema, type ProcessSpec, type WatcherReply, type WatcherRequest } from './process-spec.ts'

const WATCHER = fileURLToPath(new URL('watcher.ts', import.meta.url))

/** A process that the watcher started. */
export interface LaunchedProcess {
  readonly identity: ProcessIdentity
  /** Resolves when the process has ended, with its exit code or signal. */
  readonly exited: Promise<string>
}

interface Waiting {
  resolve(reply: WatcherReply): void
  reject(error: Error): void
}

type WatcherProcess = ChildProcessByStdio<Writable, Readable, null>

export class ProcessLauncher {
  readonly #runFolder: string
  readonly #isFolderKept: boolean
  readonly #launched: EndingProcess[] = []
  readonly #watcher: WatcherProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #exits = new Map<number, PromiseWithResolvers<string>>()
  readonly #ended: Promise<unknown>
  #nextId = 1

  /** @param isFolderKept the run folder is older than this launcher and stays when the pipe closes */
  constructor(runFolder: string, isFolderKept: boolean) {
    this.#runFolder = runFolder
    this.#isFolderKept = isFolderKept
    this.#watcher = spawn(process.execPath, [WATCHER, runFolder, ...(isFolderKept ? ['keep-folder'] : [])], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
      cwd: '/',
    })
    this.#ended = once(this.#watcher, 'exit').then(() => this.#abandon())
    // A write to a watcher that was killed: #abandon rejects what waits.
    this.#watcher.stdin.on('error', () => undefined)
    createInterface({ input: this.#watcher.stdout }).on('line', (line) => {
      this.#receive(watcherReplySchema.parse(JSON.parse(line)))
    })
    this.#setRef(false)
  }

  /** Starts a process. Rejects when the operating system refuses it. */
  async launch(spec: ProcessSpec): Promise<LaunchedProcess> {
    const reply = await this.#ask({ type: 'spawn', id: this.#nextId++, spec })
    if (reply.type !== 'spawned') throw new Error(reply.type === 'failed' ? reply.message : `unexpected reply ${reply.type}`)
    this.#launched.push({ process: reply.process, endSignal: spec.endSignal })
    return { identity: reply.process, exited: this.#exits.get(reply.process.pid)!.promise }
  }

  /** Lets the processes outlive this one. */
  async release(): Promise<void> {
    await this.#ask({ type: 'release', id: this.#nextId++ })
    await this.end()
  }

  /** Closes the pipe and waits until the watcher has done its work: everything ended and removed, or released. */
  async end(): Promise<void> {
    this.#setRef(true)
    this.#watcher.stdin.end()
    await this.#ended
    // Only a watcher that was killed ends otherwise; what it left is ended here.
    if (this.#watcher.exitCode === 0) return
    await endProcesses(this.#launched)
    if (!this.#isFolderKept) rmSync(this.#runFolder, { recursive: true, force: true, maxRetries: 5 })
  }

  #ask(request: WatcherRequest): Promise<WatcherReply> {
    return new Promise((resolve, reject) => {
      if (this.#watcher.exitCode !== null || this.#watcher.signalCode !== null) {
        reject(new Error('the watcher has ended'))
        return
      }
      this.#waiting.set(request.id, { resolve, reject })
      this.#setRef(true)
      this.#watcher.stdin.write(`${JSON.stringify(request)}\n`)
    })
  }

  #receive(reply: WatcherReply): void {
    if (reply.type === 'exited') {
      this.#exits.get(reply.pid)?.resolve(reply.reason)
      return
    }
    // An id that the system uses again begins anew; its exit can only be told after this.
    if (reply.type === 'spawned') this.#exits.set(reply.process.pid, Promise.withResolvers<string>())
    this.#waiting.get(reply.id)?.resolve(reply)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#setRef(false)
  }

  #abandon(): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new Error('the watcher has ended'))
    this.#waiting.clear()
    for (const exit of this.#exits.values()) exit.resolve('ended with its watcher')
  }

  #setRef(isRef: boolean): void {
    const handles = [this.#watcher, this.#watcher.stdin, this.#watcher.stdout]
    for (const handle of handles) {
      if (!(handle instanceof Socket) && handle !== this.#watcher) continue
      if (isRef) handle.ref()
      else handle.unref()
    }
  }
}

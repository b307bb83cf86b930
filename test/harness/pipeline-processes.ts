/**
 * The processes of a pipeline, by name.
 *
 * P1  A process that ends by itself is a failure of the test, unless its end was announced by `kill`, `stop`, `killAndRestart`, `stopAndRestart` or `endOf`.
 */
import type { Exit, SluiceProcess } from './sluice-process.ts'
import type { TestSystem } from './test-system.ts'

export class PipelineProcesses implements AsyncDisposable {
  readonly #system: TestSystem
  readonly #processes = new Map<string, SluiceProcess>()
  readonly #expected = new Set<SluiceProcess>()
  readonly #unexpected = Promise.withResolvers<never>()

  /** @param commands by name; everything that the system runs, if they are not given */
  constructor(system: TestSystem, commands: Readonly<Record<string, readonly string[]>> = system.commands()) {
    this.#system = system
    // Whoever waits for something races with it; nobody may wait just then.
    this.#unexpected.promise.catch(() => undefined)
    for (const [name, args] of Object.entries(commands)) this.start(name, args)
  }

  get names(): readonly string[] {
    return [...this.#processes.keys()]
  }

  /** What each process said last, whether it runs or not. */
  said(): readonly { readonly name: string; readonly stderr: string }[] {
    return [...this.#processes].map(([name, { stderr }]) => ({ name, stderr }))
  }

  /** Rejects when a process ends by itself. */
  get unexpectedEnd(): Promise<never> {
    return this.#unexpected.promise
  }

  get(name: string): SluiceProcess {
    const found = this.#processes.get(name)
    if (!found) throw new Error(`there is no process "${name}", there are ${this.names.join(', ')}`)
    if (!found.isRunning) throw new Error(`${name} ended by itself:\n${found.stderr}`)
    return found
  }

  /** @param env in addition to the settings of every process */
  start(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): SluiceProcess {
    const child = this.#system.start(name, args, env)
    this.#processes.set(name, child)
    child.exit.then(
      ({ code, signal }) => {
        if (this.#expected.has(child)) return
        this.#unexpected.reject(new Error(`${name} ended by itself with ${code ?? signal ?? 'nothing'}:\n${child.stderr}`))
      },
      (error: unknown) => this.#unexpected.reject(error),
    )
    return child
  }

  /** Says that this process is to end, and waits for it. */
  async endOf(name: string): Promise<Exit> {
    const child = this.#processes.get(name)
    if (!child) throw new Error(`there is no process "${name}"`)
    this.#expected.add(child)
    return child.exit
  }

  /** kill -9; resolves when it is gone. */
  async kill(name: string): Promise<void> {
    const victim = this.get(name)
    const gone = this.endOf(name)
    victim.kill('SIGKILL')
    await gone
  }

  /** The same command again, after its end. */
  restart(name: string, env: Readonly<Record<string, string>> = {}): SluiceProcess {
    const before = this.#processes.get(name)
    if (!before || before.isRunning) throw new Error(`${name} still runs`)
    return this.start(name, before.args, env)
  }

  /** kill -9, then the same command again. */
  async killAndRestart(name: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.kill(name)
    this.restart(name, env)
  }

  /** Stopped as an operator does; resolves when it is gone. */
  async stop(name: string): Promise<void> {
    const leaving = this.get(name)
    const gone = this.endOf(name)
    await leaving.stop()
    await gone
  }

  /** Stopped as an operator does, then the same command again. */
  async stopAndRestart(name: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop(name)
    this.restart(name, env)
  }

  /** `name` is from now on the process that was started as `successor`; the one before has ended. */
  succeed(name: string, successor: string): void {
    const child = this.get(successor)
    if (this.#processes.get(name)?.isRunning) throw new Error(`${name} still runs`)
    this.#processes.delete(successor)
    this.#processes.set(name, child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes.values()) this.#expected.add(child)
    await Promise.all([...this.#processes.values()].map((child) => child.stop()))
  }
}

/** The processes of a pipeline, by name; one that ends by itself is a failure of the test unless it was killed. */
import type { SluiceProcess } from './sluice-process.ts'
import type { TestSystem } from './test-system.ts'

export class PipelineProcesses implements AsyncDisposable {
  readonly #system: TestSystem
  readonly #processes: Record<string, SluiceProcess>

  constructor(system: TestSystem) {
    this.#system = system
    this.#processes = system.startAll()
  }

  get(name: string): SluiceProcess {
    const found = this.#processes[name]
    if (!found) throw new Error(`there is no process "${name}", there are ${Object.keys(this.#processes).join(', ')}`)
    if (!found.isRunning) throw new Error(`${name} ended by itself:\n${found.stderr}`)
    return found
  }

  /** kill -9, then the same command again. */
  async killAndRestart(name: string): Promise<void> {
    const victim = this.get(name)
    victim.kill('SIGKILL')
    await victim.exit
    this.#processes[name] = this.#system.start(name, victim.args)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.#processes).map((child) => child.stop()))
  }
}

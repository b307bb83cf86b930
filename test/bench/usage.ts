/** CPU and memory of a set of Sluice processes over a stretch of time, as the kernel counts them. */
import type { SluiceProcess } from '../harness/sluice-process.ts'

export class Usage {
  readonly #processes: Readonly<Record<string, SluiceProcess>>
  readonly #cpuAtStart: number

  constructor(processes: Readonly<Record<string, SluiceProcess>>) {
    this.#processes = processes
    this.#cpuAtStart = this.#cpuMicros()
  }

  cpuMicrosSinceStart(): number {
    return this.#cpuMicros() - this.#cpuAtStart
  }

  /** Peak resident memory of each process, in MiB. */
  rssMiBMax(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.#processes).map(([name, process]) => [name, Math.round(process.rssMaxBytes() / 1024 ** 2)]),
    )
  }

  #cpuMicros(): number {
    return Object.values(this.#processes).reduce((sum, process) => sum + process.cpuMicros(), 0)
  }
}

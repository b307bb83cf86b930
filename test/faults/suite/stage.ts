/**
 * What a round of faults is struck at: a system in databases and topics of its own, its processes, and the work that goes on.
 *
 * Every process reaches its servers through a proxy each; the suite itself and the oracle reach them directly.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SERVER_NAMES, type ServerName } from '@sluice/infra'
import type { Random } from '@sluice/workload'
import demo from '@sluice/medcontracthub/demo'
import { PipelineProcesses } from '../../harness/pipeline-processes.ts'
import type { Exit } from '../../harness/sluice-process.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'
import type { TestServers } from '../../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../../harness/test-system.ts'
import { waitUntil } from '../../harness/wait-until.ts'
import { medcontracthubNames } from '../../oracle/medcontracthub-names.ts'
import { SecondSlot } from '../../oracle/second-slot.ts'
import { BackgroundWork } from './background-work.ts'
import { deleteTopics } from './empty-pipeline.ts'
import type { Seed } from './seed.ts'

const SYSTEM = new URL('../../../schemas/medcontracthub/system.ts', import.meta.url)
const PRELOAD = new URL('process-preload.ts', import.meta.url)
const SAMPLE_ROWS = 6_600
const LIMIT_MS = 120_000

/** What a relay may send: nearly every message of the steady workload is smaller. */
const MESSAGE_BYTES_MAX = 20_000

/** The lane that faults are measured by. */
export const LANE = 'monolith'

export type Proxies = Readonly<Record<ServerName, TcpProxy>>

export interface StageOptions {
  readonly servers: TestServers
  readonly proxies: Proxies
  /** Of the round. */
  readonly seed: Seed
}

export class Stage implements AsyncDisposable {
  readonly servers: TestServers
  readonly proxies: Proxies
  readonly seed: Seed
  readonly system: TestSystem
  readonly processes: PipelineProcesses
  readonly work: BackgroundWork
  /** Begun before the lane's slot. */
  readonly secondSlot: SecondSlot
  readonly #clockFile: string
  readonly #killFile: string
  #hasClockStepped = false

  private constructor(
    { servers, proxies, seed }: StageOptions,
    system: TestSystem,
    processes: PipelineProcesses,
    secondSlot: SecondSlot,
    files: { readonly clock: string; readonly kill: string },
  ) {
    this.servers = servers
    this.proxies = proxies
    this.seed = seed
    this.system = system
    this.processes = processes
    this.secondSlot = secondSlot
    this.work = new BackgroundWork(system, seed.of('workload'))
    this.#clockFile = files.clock
    this.#killFile = files.kill
  }

  /** Everything runs but the reader: what is done while the load begins is the caller's. */
  static async open(options: StageOptions): Promise<Stage> {
    const { servers, proxies, seed } = options
    await deleteTopics(servers.running.kafka.url)
    const files = { clock: join(servers.running.folder, 'clock'), kill: join(servers.running.folder, 'killed-at') }
    writeFileSync(files.clock, '0')
    const env = {
      SLUICE_MESSAGE_BYTES_MAX: String(MESSAGE_BYTES_MAX),
      NODE_OPTIONS: `--import=${PRELOAD.href}`,
      SLUICE_TEST_REDIRECT: SERVER_NAMES.map((name) => `${portOf(servers, name)}=${proxies[name].port}`).join(','),
      SLUICE_TEST_CLOCK_FILE: files.clock,
      SLUICE_TEST_KILL_FILE: files.kill,
    }
    const system = await startTestSystem(servers, SYSTEM, { env })
    await demo.fill({ database: system.url('monolith'), rows: SAMPLE_ROWS, seed: seed.of('sample').number })
    const secondSlot = await SecondSlot.begin({ url: system.url('monolith'), lane: LANE, names: medcontracthubNames })
    const others = Object.fromEntries(Object.entries(system.commands()).filter(([name]) => name !== 'reader'))
    return new Stage(options, system, new PipelineProcesses(system, others), secondSlot, files)
  }

  startReader(env: Readonly<Record<string, string>> = {}): void {
    this.processes.start('reader', this.system.commands()['reader'] ?? [], env)
  }

  /** Awaits a state, or the end of a process that nobody asked for. */
  async until<T>(what: string, ask: () => Promise<T | undefined | false | null>, limitMs = LIMIT_MS): Promise<T> {
    return this.orEnd(waitUntil(what, limitMs, ask))
  }

  /** Awaits a promise, the end of a process that nobody asked for, or a fault of the workload. */
  async orEnd<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.processes.unexpectedEnd, this.work.failed])
  }

  /** Awaits the end of a process that was asked for, or that the fault brings. */
  async endOf(name: string, limitMs: number): Promise<Exit> {
    const timer = new AbortController()
    const late = delay(limitMs, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`${name} did not end within ${limitMs / 1000} s`)
    })
    // Called off it rejects too.
    late.catch(() => undefined)
    const exit = await this.orEnd(Promise.race([this.processes.endOf(name), late]))
    timer.abort()
    return exit
  }

  /** Every process believes from now on that it is so much later (or earlier) than it is. */
  stepClock(offsetMs: number): void {
    this.#hasClockStepped = true
    writeFileSync(this.#clockFile, String(offsetMs))
    for (const name of this.processes.names) this.processes.get(name).kill('SIGUSR2')
  }

  get hasClockStepped(): boolean {
    return this.#hasClockStepped
  }

  /** From now on no process has killed itself. */
  forgetOwnKill(): void {
    rmSync(this.#killFile, { force: true })
  }

  /** When a process killed itself at a fault point, in milliseconds since 1970. @throws Error if none did */
  ownKillAt(): number {
    return Number(readFileSync(this.#killFile, 'utf8'))
  }

  anyService(random: Random): string {
    return random.pick(this.system.services)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.work[Symbol.asyncDispose]()
    await this.processes[Symbol.asyncDispose]()
    await this.system[Symbol.asyncDispose]()
  }
}

/** A proxy in front of each server. */
export async function startProxies(servers: TestServers): Promise<Proxies> {
  const start = (name: ServerName): Promise<TcpProxy> => TcpProxy.start({ host: '127.0.0.1', port: portOf(servers, name) })
  const [monolith, pipeline, services, kafka, registry] = await Promise.all([
    start('monolith'),
    start('pipeline'),
    start('services'),
    start('kafka'),
    start('registry'),
  ])
  return { monolith, pipeline, services, kafka, registry }
}

function portOf(servers: TestServers, name: ServerName): number {
  const { url } = servers.running.get(name)
  return Number(new URL(url.includes('://') ? url : `tcp://${url}`).port)
}

/** The steps of the demo between the start of its servers and their end. */
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError, silentLogger } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { migrate } from '@sluice/postgres'
import { type ProvisionStep, provision } from '@sluice/provision'
import type { OpenSinks } from '@sluice/sink'
import { type SystemDefinition, lanesOf, ownTablesOf, topicsOf } from '@sluice/system'
import { type VerifyReport, verifySystem } from '@sluice/verify'
import type { SystemDemo, WorkloadReport } from '@sluice/workload'
import type { CommandContext } from '../command.ts'
import { type Deployment, readDeployment, urlVariable } from '../deployment.ts'
import { kafkaOf, registryOf } from '../servers.ts'
import { sinksOf } from '../sinks.ts'
import { formatCount } from '../table.ts'
import { readMigrationLoads } from '../migration-loads.ts'
import type { MigrationCourse, PhaseTiming } from '../migration-report.ts'
import { verifyProgress, verifyVerdict } from '../verify-output.ts'
import { measureLatency } from './commit-latency.ts'
import { countEvents } from './counted-events.ts'
import type { DemoPlace } from './demo-place.ts'
import { type DemoReport, countProblems, emptyTables } from './demo-report.ts'
import type { LoadedDemo } from './load-demo.ts'
import { countRowChanges, missingChanges } from './row-changes.ts'
import { StageWatcher } from './stage-watcher.ts'
import { type TableRows, countTableRows } from './table-rows.ts'
import { waitForStages } from './wait-for-stages.ts'

/** How long verify waits for a stage that works through a large transaction, and the demo for a change of each kind. */
const PATIENCE_MS = 60_000
/** Table of the sample monolith that remembers which migrations were applied. */
const MONOLITH_MIGRATIONS_TABLE = 'sluice_monolith_migrations'

export interface DemoOptions {
  /** Rows of the monolith in all, about. */
  readonly rows: number
  readonly seed: number
  /** Rows that the workload changes a second. */
  readonly ratePerSecond: number
  /** How long the workload goes on after the load has arrived, at least; latency is measured over that time. */
  readonly seconds: number
}

export interface DemoOutcome {
  readonly report: DemoReport
  readonly migration: MigrationCourse
}

export class DemoCourse {
  readonly #context: CommandContext
  readonly #options: DemoOptions
  readonly #system: SystemDefinition
  readonly #demo: SystemDemo
  readonly #monolithUrl: string
  readonly #deployment: Deployment
  readonly #openSinks: OpenSinks
  readonly #kafka: KafkaPort
  readonly #timings: PhaseTiming[] = []
  readonly #steps: ProvisionStep[] = []

  constructor(context: CommandContext, options: DemoOptions, { system, demo }: LoadedDemo, place: DemoPlace) {
    this.#context = context
    this.#options = options
    this.#system = system
    this.#demo = demo
    this.#monolithUrl = place.environment[urlVariable('monolith')]!
    const services = Object.keys(system.services)
    const needs = {
      monolith: true,
      pipeline: true,
      services,
      kafka: true,
      registry: true,
      reader: true,
      masterKeys: true,
      keys: true,
      claims: true,
      relay: true,
    } as const
    this.#deployment = readDeployment(place.environment, system, needs)
    this.#openSinks = sinksOf(place.environment, system, services)
    this.#kafka = kafkaOf(this.#deployment.kafka, silentLogger, 'sluice-demo')
  }

  /** The monolith with its data, and everything that the pipeline needs. */
  async prepare(): Promise<void> {
    await this.#timed('fill', () => this.#fill())
    await this.#timed('provision', () => this.#provision())
  }

  async #fill(): Promise<void> {
    const { progress, signal } = this.#context
    const { monolith } = this.#deployment
    const loading = progress.phase('filling the monolith')
    const { migrations: folder } = this.#system.monolith
    if (folder === undefined) throw noMonolith(this.#system)
    await migrate(monolith, { folder, table: MONOLITH_MIGRATIONS_TABLE })
    const { rows } = await this.#demo.fill({
      database: this.#monolithUrl,
      rows: this.#options.rows,
      seed: this.#options.seed,
      signal,
      onProgress: (p) => loading.update(`${p.table}: ${formatCount(p.rows)} of ${formatCount(p.rowsWanted)} rows`),
    })
    loading.done(`${formatCount(Object.values(rows).reduce((a, b) => a + b, 0))} rows in ${Object.keys(rows).length} tables`)
  }

  async #provision(): Promise<void> {
    const provisioning = this.#context.progress.phase('provisioning')
    const steps = await provision({
      system: this.#system,
      targets: this.#deployment,
      kafka: this.#kafka,
      registry: registryOf(this.#deployment.registry),
      openSinks: this.#openSinks,
      isDryRun: false,
      onStep: (step) => provisioning.update(`${step.place}: ${step.what}`),
    })
    provisioning.done(`${steps.length} steps`)
    this.#steps.push(...steps)
    assertOwnTopics(steps, this.#deployment.kafka.brokers)
  }

  /** From the start of the processes on. @param startedAt When the demo began, by `performance.now()`. */
  async run(startedAt: number): Promise<DemoOutcome> {
    const { pipeline, services } = this.#deployment
    const stop = new AbortController()
    const signal = AbortSignal.any([this.#context.signal, stop.signal])
    const workload = this.#startWorkload(signal)
    // Awaited below; until then its rejection must have a listener.
    workload.catch(() => undefined)
    const watcher = await StageWatcher.open(this.#system, pipeline, services)
    try {
      await this.#timed('load', () => waitForStages(this.#context, watcher, 'migrating', workload))
      const since = await watcher.now()
      await this.#timed('workload', () => this.#measure(watcher, workload))
      stop.abort()
      const counts = await workload
      this.#context.signal.throwIfAborted()
      const verification = await this.#timed('verify', () => this.#verify())
      await waitForStages(this.#context, watcher, 'letting the last events arrive', null)
      const report = await this.#report(startedAt, since, verification, counts)
      const loads = await readMigrationLoads(pipeline, this.#system.name)
      const finishedAt = new Date()
      return {
        report,
        migration: {
          startedAt: new Date(finishedAt.getTime() - report.durationMs),
          finishedAt,
          timings: this.#timings,
          steps: this.#steps,
          loads,
          verification,
        },
      }
    } finally {
      stop.abort()
      await watcher.close()
    }
  }

  async #timed<Result>(phase: string, work: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now()
    const result = await work()
    this.#timings.push({ phase, durationMs: Math.round(performance.now() - startedAt) })
    return result
  }

  #startWorkload(signal: AbortSignal): Promise<WorkloadReport> {
    const { seed, ratePerSecond } = this.#options
    return this.#demo.runWorkload({ url: this.#monolithUrl, seed, ratePerSecond, signal })
  }

  /** Lets the workload run on alone; on a slow machine longer than was asked, until it has done to every table what that allows. */
  async #measure(watcher: StageWatcher, workload: Promise<unknown>): Promise<void> {
    const phase = this.#context.progress.phase('following the workload')
    const end = performance.now() + this.#options.seconds * 1000
    while (performance.now() < end || (performance.now() < end + PATIENCE_MS && (await this.#lacksChanges()))) {
      const tick = delay(500, undefined, { signal: this.#context.signal })
      await Promise.race([tick, workload.then(() => tick)])
      const { stored, wanted, applied } = await watcher.read()
      const behind = Object.keys(wanted).map((s) => wanted[s]! - (applied[s] ?? 0n))
      const most = behind.reduce((a, b) => (b > a ? b : a), 0n)
      phase.update(`${formatCount(stored)} events stored, the last service is ${formatCount(most)} behind`)
    }
    phase.done()
  }

  async #lacksChanges(): Promise<boolean> {
    return missingChanges(this.#demo, await countRowChanges(this.#deployment.pipeline, this.#demo)).length > 0
  }

  async #verify(): Promise<VerifyReport> {
    const show = verifyProgress(this.#context.progress, this.#context.say)
    const report = await verifySystem({
      system: this.#system,
      targets: this.#deployment,
      kafka: this.#kafka,
      masterKeys: this.#deployment.masterKeys,
      openSinks: this.#openSinks,
      limits: { standMs: PATIENCE_MS, slotMs: PATIENCE_MS, stallMs: PATIENCE_MS },
      onProgress: show.onProgress,
      signal: this.#context.signal,
    })
    show.done()
    return report
  }

  async #report(
    startedAt: number,
    since: string,
    verification: VerifyReport,
    { committed, rolledBack }: WorkloadReport,
  ): Promise<DemoReport> {
    const { monolith, pipeline, services } = this.#deployment
    const counting = this.#context.progress.phase('counting events in the store, the topics and the services')
    const topics = lanesOf(this.#system).flatMap((lane) => topicsOf(lane).map((t) => t.name))
    const events = await countEvents(pipeline, services, this.#kafka, [...new Set(topics)])
    const changes = await countRowChanges(pipeline, this.#demo)
    const rows: Record<string, TableRows> = { monolith: await countTableRows(monolith, ownTablesOf(this.#system.monolith)) }
    for (const [service, target] of Object.entries(services))
      rows[service] = await countTableRows(target, ownTablesOf(this.#system.services[service]!))
    const lagMs = await measureLatency(pipeline, services, since)
    counting.done(`${formatCount(events.stored)} events`)
    return {
      system: this.#system.name,
      equal: verifyVerdict(verification) === null && countProblems(events).length === 0,
      problems: [...countProblems(events), ...emptyTables(rows), ...missingChanges(this.#demo, changes)],
      durationMs: Math.round(performance.now() - startedAt),
      events,
      lagMs,
      services: verification.services,
      chain: verification.chain,
      workload: { committed, rolledBack, changes },
      rows,
    }
  }
}

function noMonolith({ name }: SystemDefinition): SluiceError {
  return new SluiceError('SYSTEM_INVALID', {
    what: `the demo of ${name} has no monolith`,
    why: 'monolith.migrations is not in the definition',
    ways: [`monolith: { migrations: new URL('./monolith/', import.meta.url), … }    in schemas/${name}/system.ts`],
  })
}

/** Topics of an earlier run hold events of another store: a relay refuses them, and counts would be wrong. */
function assertOwnTopics(steps: readonly ProvisionStep[], brokers: readonly string[]): void {
  const present = steps.filter((step) => step.place === 'kafka' && step.outcome === 'present')
  const [first] = present
  if (first === undefined) return
  throw new SluiceError('CONFIG_INVALID', {
    what: `Kafka at ${brokers.join(', ')} can not be used for the demo`,
    why: `${present.length} of its topics are there already: ${first.what}, …`,
    ways: ['unset SLUICE_TEST_KAFKA_BROKERS    and a Kafka is started for the run', 'delete the topics of the earlier run'],
  })
}

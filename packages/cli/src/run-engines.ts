/** Wires the engines of one process: servers from the environment, log, metrics, health, supervisor. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@sluice/core'
import { createEventDecoder } from '@sluice/avro'
import type { PostgresTarget } from '@sluice/postgres'
import { createProjector } from '@sluice/projector'
import { createReader } from '@sluice/reader'
import { createRelay } from '@sluice/relay'
import type { OpenSinks } from '@sluice/sink'
import { type LaneDefinition, type SystemDefinition, controlTopicName, subscriptionsOf } from '@sluice/system'
import { type Metrics, type Readiness, createLogger, createMetrics, startHealthServer } from '@sluice/telemetry'
import type { CommandContext } from './command.ts'
import { type DeploymentNeeds, type PartialDeployment, readDeployment } from './deployment.ts'
import { projectorMetrics, readerMetrics, relayMetrics } from './engine-metrics.ts'
import { projectorSigns, readerSigns, relaySigns } from './engine-signs.ts'
import { packageVersion } from './package-version.ts'
import { kafkaOf, registryOf } from './servers.ts'
import { sinksOf } from './sinks.ts'
import { sampleOutbox } from './samples/outbox-sample.ts'
import { sampleParked } from './samples/parked-sample.ts'
import { sampleProjectorLag } from './samples/projector-lag-sample.ts'
import type { Sample } from './samples/sample.ts'
import { sampleSlot } from './samples/slot-sample.ts'
import { sampleSourceLag } from './samples/source-lag-sample.ts'
import { createStageSampler } from './stage-sampler.ts'
import { type SupervisedEngine, type Supervisor, createSupervisor } from './supervisor.ts'

const SAMPLING_END_MS = 1_000

/** Which engines a process has. */
export interface EnginePlan {
  readonly readers: readonly LaneDefinition[]
  readonly relays: readonly LaneDefinition[]
  readonly projectors: readonly string[]
}

export interface EngineProcess extends EnginePlan {
  readonly role: string
  readonly health: { readonly host: string; readonly port: number }
}

/**
 * Resolves after a clean stop of every engine. An engine that fails ends alone; the process goes on with the others.
 *
 * @throws SluiceError when all have ended, the error of the first engine that failed
 */
export async function runEngines(context: CommandContext, system: SystemDefinition, plan: EngineProcess): Promise<void> {
  const deployment = readDeployment(context.environment, system, needsOf(plan))
  const sinks = sinksOf(context.environment, system, plan.projectors)
  const isTerminal = process.stderr.isTTY
  const logger = createLogger({ role: plan.role, level: context.globals.logLevel, pretty: isTerminal })
  const revision = context.environment['SLUICE_REVISION'] ?? 'unknown'
  const metrics = createMetrics({ role: plan.role, version: packageVersion(), revision })
  const standby = new Set<string>()
  const supervisor = createSupervisor({
    engines: enginesOf(system, plan, deployment, { logger, metrics, standby, sinks }),
    logger,
    onState: (engine, { state, error }) => {
      const [role, lane = ''] = engine.split(' ')
      if (role === 'reader' && state !== 'running') metrics.readerConnected.set({ lane }, 0)
      if (role === 'relay' && error) metrics.relayPublishErrors.add({ lane, error_type: error.number }, 1)
    },
    onRestart: (engine, error) => {
      metrics.engineRestarts.add({ engine, code: error.number }, 1)
    },
  })
  const sampler = createStageSampler(samplesOf(system, plan, deployment, { logger, metrics }), logger)
  const stopSampling = new AbortController()
  const health = await startHealthServer({
    ...plan.health,
    role: plan.role,
    metrics,
    readiness: () => readinessOf(supervisor, standby, context.signal),
    checks: async () => [...supervisor.checks(), ...sampler.checks()],
  })
  logger.info({ system: system.name, engines: [...supervisor.states.keys()], healthPort: health.port }, 'started')
  const sampling = sampler.run(AbortSignal.any([context.signal, stopSampling.signal]))
  try {
    await supervisor.run(context.signal)
    logger.info({}, 'stopped cleanly')
  } finally {
    stopSampling.abort()
    // A server that does not answer must not hold up the end.
    await Promise.race([sampling, delay(SAMPLING_END_MS)])
    await health.close()
  }
}

function samplesOf(
  system: SystemDefinition,
  plan: EnginePlan,
  deployment: PartialDeployment,
  { logger, metrics }: Pick<EngineTools, 'logger' | 'metrics'>,
): readonly Sample[] {
  const onLane = plan.readers.flatMap((lane) => {
    const [source, pipeline] = [sourceOf(lane, deployment), given(deployment.pipeline)]
    return [
      sampleSlot(metrics, lane.name, lane.slotName, source),
      sampleSourceLag(metrics, { system: system.name, lane: lane.name, source, pipeline }),
    ]
  })
  const onService = plan.projectors.flatMap((service) => {
    const target = given(deployment.services[service])
    const kafka = kafkaOf(given(deployment.kafka), logger, `sluice-status-${system.name}-${service}`)
    return [
      sampleParked(metrics, service, target),
      ...subscriptionsOf(system, service).map(({ lane }) => {
        const controlTopic = controlTopicName(system.name, lane.name)
        return sampleProjectorLag(metrics, { service, target, kafka, lane: lane.name, controlTopic })
      }),
    ]
  })
  return [
    ...onLane,
    ...plan.relays.map((lane) => sampleOutbox(metrics, system.name, lane.name, given(deployment.pipeline))),
    ...onService,
  ]
}

function sourceOf(lane: LaneDefinition, deployment: PartialDeployment): PostgresTarget {
  return lane.source === 'monolith' ? given(deployment.monolith) : given(deployment.services[lane.source.service])
}

/** Only what the role needs, so that a process gets no other secrets. */
function needsOf(plan: EnginePlan): DeploymentNeeds {
  const sources = plan.readers.map((lane) => lane.source)
  const services = [...plan.projectors, ...sources.flatMap((s) => (s === 'monolith' ? [] : [s.service]))]
  const usesKafka = plan.relays.length > 0 || plan.projectors.length > 0
  return {
    monolith: sources.includes('monolith'),
    pipeline: plan.readers.length > 0 || plan.relays.length > 0,
    services: [...new Set(services)],
    kafka: usesKafka,
    registry: usesKafka,
    reader: plan.readers.length > 0,
    masterKeys: plan.readers.length > 0,
    keys: plan.projectors.length > 0,
    claims: plan.projectors.length > 0,
    relay: plan.relays.length > 0,
  }
}

interface EngineTools {
  readonly logger: Logger
  readonly metrics: Metrics
  /** Names of engines that stand by for another process. */
  readonly standby: Set<string>
  readonly sinks: OpenSinks
}

function enginesOf(
  system: SystemDefinition,
  plan: EnginePlan,
  deployment: PartialDeployment,
  tools: EngineTools,
): readonly SupervisedEngine[] {
  return [
    ...plan.readers.map((lane) => readerEngine(system, lane, deployment, tools)),
    ...plan.relays.map((lane) => relayEngine(system, lane, deployment, tools)),
    ...plan.projectors.map((service) => projectorEngine(system, service, deployment, tools)),
  ]
}

function readerEngine(
  system: SystemDefinition,
  lane: LaneDefinition,
  deployment: PartialDeployment,
  { logger, metrics }: EngineTools,
): SupervisedEngine {
  const source = sourceOf(lane, deployment)
  const pipeline = given(deployment.pipeline)
  const count = readerMetrics(metrics, lane.name)
  const own = logger.child({ component: 'reader', lane: lane.name })
  return {
    name: `reader ${lane.name}`,
    create: async (signs) => {
      const onProgress = both(count, readerSigns(signs))
      const masterKeys = given(deployment.masterKeys)
      const limits = given(deployment.reader)
      return createReader({ system, lane, source, pipeline, masterKeys, limits, logger: own, onProgress })
    },
  }
}

function relayEngine(
  system: SystemDefinition,
  lane: LaneDefinition,
  deployment: PartialDeployment,
  { logger, metrics }: EngineTools,
): SupervisedEngine {
  const pipeline = given(deployment.pipeline)
  const count = relayMetrics(metrics, lane.name)
  const own = logger.child({ component: 'relay', lane: lane.name })
  const kafka = kafkaOf(given(deployment.kafka), own, `sluice-relay-${system.name}-${lane.name}`)
  const registry = registryOf(given(deployment.registry))
  return {
    name: `relay ${lane.name}`,
    create: async (signs) => {
      const onProgress = both(count, relaySigns(signs))
      const limits = given(deployment.relay)
      return createRelay({ system, lane, pipeline, kafka, registry, limits, logger: own, onProgress })
    },
  }
}

function projectorEngine(
  system: SystemDefinition,
  service: string,
  deployment: PartialDeployment,
  { logger, metrics, standby, sinks }: EngineTools,
): SupervisedEngine {
  const name = `projector ${service}`
  const target: PostgresTarget = given(deployment.services[service])
  const count = projectorMetrics(metrics, service, (isStandby) => {
    if (isStandby) standby.add(name)
    else standby.delete(name)
  })
  const own = logger.child({ component: 'projector', service })
  const kafka = kafkaOf(given(deployment.kafka), own, `sluice-projector-${system.name}-${service}`)
  const registry = registryOf(given(deployment.registry))
  return {
    name,
    create: async (signs) => {
      const onProgress = both(count.onProgress, projectorSigns(signs))
      const decoder = createEventDecoder(registry, system)
      const keys = given(deployment.keys)
      const claims = given(deployment.claims)
      const openSink = sinks[service] ?? null
      const known = { system, service, target, kafka, decoder, keys, claims, openSink }
      const projector = createProjector({ ...known, logger: own, onProgress })
      return { run: (signal) => projector.run(signal).finally(count.ended) }
    },
  }
}

/** Tells two listeners. */
function both<Told>(first: (told: Told) => void, second: (told: Told) => void): (told: Told) => void {
  return (told) => {
    first(told)
    second(told)
  }
}

/** What `needsOf` asked for is there. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a part of the deployment was used that was not asked for')
  return value
}

/**
 * A process is ready when one of its engines does its work: that others failed or wait degrades it, and lag changes nothing.
 * One that has an engine left to begin is still starting.
 */
function readinessOf(supervisor: Supervisor, standby: ReadonlySet<string>, signal: AbortSignal): Readiness {
  if (signal.aborted) return { mode: 'stopping' }
  const states = [...supervisor.states]
  const running = states.filter(([, s]) => s.state === 'running')
  const troubled = states.filter(([, s]) => s.state === 'waiting' || s.state === 'failed')
  if (troubled.length > 0) {
    const reason = troubled.map(([name, s]) => `${name}: ${s.error?.message ?? s.state}`).join('; ')
    return { mode: running.length > 0 ? 'degraded' : 'failing', reason }
  }
  if (running.length < states.length) return { mode: 'starting' }
  return { mode: running.every(([name]) => standby.has(name)) ? 'standby' : 'active' }
}

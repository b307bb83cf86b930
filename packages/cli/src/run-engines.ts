/** Wires the engines of one process: servers from the environment, log, metrics, health, supervisor. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@sluice/core'
import { createEventDecoder } from '@sluice/avro'
import type { PostgresTarget } from '@sluice/postgres'
import { createProjector } from '@sluice/projector'
import { createReader } from '@sluice/reader'
import { createRelay } from '@sluice/relay'
import type { LaneDefinition, SystemDefinition } from '@sluice/system'
import { type Metrics, type Readiness, createLogger, createMetrics, startHealthServer } from '@sluice/telemetry'
import type { CommandContext } from './command.ts'
import { type DeploymentNeeds, type PartialDeployment, readDeployment } from './deployment.ts'
import { projectorMetrics, readerMetrics, relayMetrics } from './engine-metrics.ts'
import { packageVersion } from './package-version.ts'
import { kafkaOf, registryOf } from './servers.ts'
import { type SampledStages, createStageSampler } from './stage-sampler.ts'
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

/** Resolves after a clean stop. @throws SluiceError the error that ended the engines. */
export async function runEngines(context: CommandContext, system: SystemDefinition, plan: EngineProcess): Promise<void> {
  const deployment = readDeployment(context.environment, system, needsOf(plan))
  const isTerminal = process.stderr.isTTY
  const logger = createLogger({ role: plan.role, level: context.globals.logLevel, pretty: isTerminal })
  const revision = context.environment['SLUICE_REVISION'] ?? 'unknown'
  const metrics = createMetrics({ role: plan.role, version: packageVersion(), revision })
  const standby = new Set<string>()
  const supervisor = createSupervisor({
    engines: enginesOf(system, plan, deployment, { logger, metrics, standby }),
    logger,
    onRestart: (engine, error) => {
      metrics.engineRestarts.add({ engine, code: error.number }, 1)
      if (engine.startsWith('relay ')) {
        metrics.relayPublishErrors.add({ lane: engine.slice('relay '.length), error_type: error.number }, 1)
      }
    },
  })
  const sampler = createStageSampler(sampledStages(system, plan, deployment), metrics, logger)
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

function sampledStages(system: SystemDefinition, plan: EnginePlan, deployment: PartialDeployment): SampledStages {
  return {
    systemName: system.name,
    pipeline: deployment.pipeline,
    readers: plan.readers.map((lane) => ({ lane: lane.name, slotName: lane.slotName, source: sourceOf(lane, deployment) })),
    relays: plan.relays.map((lane) => lane.name),
    projectors: plan.projectors.map((service) => ({ service, target: given(deployment.services[service]) })),
  }
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
  }
}

interface EngineTools {
  readonly logger: Logger
  readonly metrics: Metrics
  /** Names of engines that stand by for another process. */
  readonly standby: Set<string>
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
  const onProgress = readerMetrics(metrics, lane.name)
  const own = logger.child({ component: 'reader', lane: lane.name })
  return {
    name: `reader ${lane.name}`,
    create: async () => createReader({ system, lane, source, pipeline, logger: own, onProgress }),
  }
}

function relayEngine(
  system: SystemDefinition,
  lane: LaneDefinition,
  deployment: PartialDeployment,
  { logger, metrics }: EngineTools,
): SupervisedEngine {
  const pipeline = given(deployment.pipeline)
  const onProgress = relayMetrics(metrics, lane.name)
  const own = logger.child({ component: 'relay', lane: lane.name })
  const kafka = kafkaOf(given(deployment.kafka), own, `sluice-relay-${system.name}-${lane.name}`)
  const registry = registryOf(given(deployment.registry))
  return {
    name: `relay ${lane.name}`,
    create: async () => createRelay({ system, lane, pipeline, kafka, registry, logger: own, onProgress }),
  }
}

function projectorEngine(
  system: SystemDefinition,
  service: string,
  deployment: PartialDeployment,
  { logger, metrics, standby }: EngineTools,
): SupervisedEngine {
  const name = `projector ${service}`
  const target: PostgresTarget = given(deployment.services[service])
  const onProgress = projectorMetrics(metrics, service, (isStandby) => {
    if (isStandby) standby.add(name)
    else standby.delete(name)
  })
  const own = logger.child({ component: 'projector', service })
  const kafka = kafkaOf(given(deployment.kafka), own, `sluice-projector-${system.name}-${service}`)
  const registry = registryOf(given(deployment.registry))
  return {
    name,
    create: async () =>
      createProjector({
        system,
        service,
        target,
        kafka,
        decoder: createEventDecoder(registry, system),
        logger: own,
        onProgress,
      }),
  }
}

/** What `needsOf` asked for is there. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a part of the deployment was used that was not asked for')
  return value
}

/** A process is ready when none of its engines failed or waits to start again; lag never changes it. */
function readinessOf(supervisor: Supervisor, standby: ReadonlySet<string>, signal: AbortSignal): Readiness {
  if (signal.aborted) return { mode: 'stopping' }
  const states = [...supervisor.states]
  const troubled = states.find(([, s]) => s.state === 'waiting' || s.state === 'failed')
  if (troubled) return { mode: 'failing', reason: `${troubled[0]}: ${troubled[1].error?.message ?? troubled[1].state}` }
  if (states.some(([, s]) => s.state === 'starting')) return { mode: 'starting' }
  const isAllStandby = states.length > 0 && states.every(([name]) => standby.has(name))
  return { mode: isAllStandby ? 'standby' : 'active' }
}

/**
 * Creates what a system needs and is missing: tables of Sluice and of the services, topics, schemas. What exists is left as
 * it is, so it may be run again at any time, also after it was killed: each step is one transaction or one request.
 */
import type { SchemaRegistry } from '@sluice/avro'
import type { KafkaPort } from '@sluice/kafka'
import { outboxMigration } from '@sluice/outbox'
import type { PostgresTarget } from '@sluice/postgres'
import type { MasterKeys } from '@sluice/privacy'
import { migrateService, pendingServiceMigrations } from '@sluice/projector'
import type { Sink } from '@sluice/sink'
import { STORE_MIGRATIONS } from '@sluice/store'
import { type LaneDefinition, type SystemDefinition, lanesOf, topicsWanted } from '@sluice/system'
import { type CarriedRights, carryRights } from './carried-rights.ts'
import { aggregateTopicsStep, databaseStep, migrateStep, setOf } from './databases.ts'
import { erasureSteps } from './erasures.ts'
import { extensionSteps } from './extensions.ts'
import { rightsSteps, roleSteps } from './roles.ts'
import { recreate } from './recreate.ts'
import { schemaSteps } from './schemas.ts'
import { sinkSteps } from './sinks.ts'
import type { OnStep, ProvisionStep } from './step.ts'
import { topicSteps } from './topics.ts'

export interface ProvisionTargets {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

export interface ProvisionOptions {
  readonly system: SystemDefinition
  /** Databases of `services` that are not named are left alone. */
  readonly targets: ProvisionTargets
  readonly kafka: KafkaPort
  readonly registry: SchemaRegistry
  /** Makes the sinks of services, by service: without one its tables are not made, which a step says. */
  readonly openSinks?: Readonly<Record<string, () => Sink>>
  /** With them, erasures that one database remembers and another lacks are applied. */
  readonly masterKeys?: MasterKeys | null
  /** Tells what would be done and changes nothing. */
  readonly isDryRun: boolean
  /** Creates databases of the pipeline and of services that do not exist. @default false */
  readonly createDatabases?: boolean
  /** One service only: its database and its outbox lane. */
  readonly only?: string
  readonly onStep?: OnStep
}

/** @throws SluiceError SLU-5005, SLU-5006, SLU-5030, SLU-4202 and those of an unreachable server; steps before it stay done. */
export async function provision(options: ProvisionOptions): Promise<readonly ProvisionStep[]> {
  const steps: ProvisionStep[] = []
  const parts = partsOf(options)
  for (const [done, part] of parts.entries()) {
    for await (const step of part) {
      steps.push(step)
      options.onStep?.(step, { done, of: parts.length })
    }
  }
  return steps
}

/** In the order in which they are done; none is begun before the one before it has ended. */
function partsOf(options: ProvisionOptions): readonly AsyncIterable<ProvisionStep>[] {
  const { system, targets, kafka, registry, only, isDryRun } = options
  const services = Object.entries(targets.services).filter(([service]) => only === undefined || only === service)
  const lanes = lanesInScope(options)
  return [
    ...(only === undefined
      ? [pipelineSteps(options), outboxSteps('monolith', targets.monolith, lanesOf(system)[0], options)]
      : []),
    ...services.map(([service, target]) => serviceSteps(service, target, options)),
    ...(only === undefined && !isDryRun ? [stepsOf(() => erasureSteps({ system, ...targets }, options.masterKeys ?? null))] : []),
    stepsOf(() => topicSteps(kafka, topicsWanted(system, lanes), isDryRun)),
    stepsOf(() => schemaSteps(system, lanes, registry, isDryRun)),
  ]
}

async function* stepsOf(work: () => Promise<readonly ProvisionStep[]>): AsyncIterable<ProvisionStep> {
  yield* await work()
}

export interface RecreateReport {
  readonly steps: readonly ProvisionStep[]
  /** Database that keeps the old one; null if there was none, or nothing in it. */
  readonly keptAs: string | null
  /** What people had given in the old one, beside migrations and the definition. */
  readonly rights: CarriedRights
}

/**
 * Makes the database of one service anew, empty, with all that it needs; `planRecreate` says beforehand whether it can be filled again.
 *
 * @throws SluiceError SLU-5035 while anybody is connected to it, SLU-5030 if a migration fails, SLU-5006 if rights can not be given: the
 *   old one stays
 */
export async function recreateService(service: string, options: ProvisionOptions): Promise<RecreateReport> {
  const { system, targets, onStep } = options
  const steps: ProvisionStep[] = []
  const take = (done: number, step: ProvisionStep): void => {
    steps.push(step)
    onStep?.(step, { done, of: 3 })
  }
  let rights: CarriedRights = { carried: [], left: [] }
  const keptAs = await recreate(targets.services[service]!, async (beside, old) => {
    for await (const step of serviceSteps(service, beside, { ...options, isDryRun: false, createDatabases: false })) take(0, step)
    // It must not be behind the others for a moment: a projector with grants waits while it is.
    const places = { system, monolith: targets.monolith, pipeline: targets.pipeline, services: { [service]: beside } }
    for (const step of await erasureSteps(places, options.masterKeys ?? null)) take(1, step)
    if (old !== null) rights = await carryRights(old, beside)
  })
  take(2, {
    place: `service.${service}`,
    what: 'database made anew',
    outcome: 'done',
    detail: targets.services[service]!.display,
  })
  return { steps, keptAs, rights }
}

async function* pipelineSteps({ system, targets, isDryRun, createDatabases }: ProvisionOptions): AsyncIterable<ProvisionStep> {
  const { pipeline } = targets
  if (createDatabases) yield await databaseStep('pipeline', pipeline, isDryRun)
  yield await migrateStep({ place: 'pipeline', what: 'migrations of Sluice' }, setOf(pipeline, STORE_MIGRATIONS), isDryRun)
  yield await aggregateTopicsStep(system, pipeline, isDryRun)
}

async function* serviceSteps(service: string, target: PostgresTarget, options: ProvisionOptions): AsyncIterable<ProvisionStep> {
  const { system, isDryRun, createDatabases } = options
  const place = `service.${service}`
  const definition = system.services[service]!
  if (createDatabases) yield await databaseStep(place, target, isDryRun)
  yield* await extensionSteps(place, target, definition.extensions ?? [], isDryRun)
  yield* await roleSteps(place, target, definition.roles, isDryRun)
  yield await migrateStep(
    { place, what: 'migrations of Sluice and of the service' },
    { pending: () => pendingServiceMigrations(target, definition), apply: () => migrateService(target, definition) },
    isDryRun,
  )
  yield* await rightsSteps(place, target, definition.roles, isDryRun)
  const lane = lanesOf(system).find((l) => l.source !== 'monolith' && l.source.service === service)
  yield* outboxSteps(place, target, lane, options)
  yield* sinkSteps(place, definition.sinks ?? [], options.openSinks?.[service] ?? null, isDryRun)
}

/** The outbox table, where applications of that database write events of their own. */
async function* outboxSteps(
  place: string,
  target: PostgresTarget,
  lane: LaneDefinition | undefined,
  { isDryRun }: ProvisionOptions,
): AsyncIterable<ProvisionStep> {
  if (lane?.outbox) yield await migrateStep({ place, what: 'outbox table' }, setOf(target, outboxMigration), isDryRun)
}

/** All lanes, or those of the one service's outbox. */
function lanesInScope({ system, only }: ProvisionOptions): readonly LaneDefinition[] {
  return lanesOf(system).filter((l) => only === undefined || (l.source !== 'monolith' && l.source.service === only))
}

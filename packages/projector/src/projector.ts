/**
 * The projector of one service: Kafka to rows (promise 6).
 *
 * States: standby → active: complete frames are decoded while the database applies those before → standby …
 * Of an independent service every member with partitions is active, for those alone (decision 0010).
 * A barrier holds a lane while the others go on. While the service database is away the same batch is tried again; Kafka's
 * buffers stay bounded meanwhile.
 *
 * P1  Batches of a lane are applied in order, one at a time.
 * P2  What is known of the service's position comes from its database or from a commit of this process.
 * P3  Killed anywhere, nothing is lost: the database says where to go on, and Kafka still has the rest.
 */
import { randomUUID } from 'node:crypto'
import { type Logger, SluiceError, type TopicPartition, parseUuid } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { type PostgresTarget, connect, sqlStateOf, toPostgresError, withConnection } from '@sluice/postgres'
import type { GrantedColumns, KeyAccess } from '@sluice/privacy'
import type { Sink } from '@sluice/sink'
import { type SystemDefinition, controlTopicName, subscriptionsOf } from '@sluice/system'
import { AssignmentWork } from './assignment-work.ts'
import { ClaimedValues } from './claimed-values.ts'
import { ConsumerSession, type ConsumerSessionOptions } from './consumer-session.ts'
import type { EventDecoder } from '@sluice/avro'
import { assertHeldColumns } from './held-columns-check.ts'
import { assertRowsVisible } from './row-security-check.ts'
import { assertIndependent } from './independence-check.ts'
import type { LaneSubscription } from './frame-assembler.ts'
import { grantedColumnsOf } from './granted-rows.ts'
import { type ProjectionPlan, mappingsOf, planProjections } from './projection-plan.ts'
import { DEFAULT_PROJECTOR_LIMITS, type ProjectorLimits } from './projector-limits.ts'
import type { OnProjectorProgress } from './projector-progress.ts'
import { ServiceConnection } from './service-connection.ts'
import { sinkOf } from './sink-of.ts'
import { type ServicePosition, ensurePartitions, readServicePosition } from './service-position.ts'
import { claimPartitions } from './shared-work.ts'
import { readTargetCatalog } from './target-catalog.ts'

export interface ProjectorOptions {
  readonly system: SystemDefinition
  readonly service: string
  readonly target: PostgresTarget
  readonly kafka: KafkaPort
  readonly decoder: EventDecoder
  /** Where the keys of encrypted columns are read; needed where the service is granted some. */
  readonly keys?: KeyAccess | null
  /** The pipeline database, where values are read that their messages are too small for. Needed once there is one. */
  readonly claims?: PostgresTarget | null
  /** Makes the service's sink, which is closed at the end. Needed where the service has tables in one. */
  readonly openSink?: (() => Sink) | null
  readonly logger: Logger
  /** @default DEFAULT_PROJECTOR_LIMITS */
  readonly limits?: Partial<ProjectorLimits>
  readonly onProgress?: OnProjectorProgress
}

export interface Projector {
  /**
   * Works until the signal aborts; a transaction that runs is finished first, within `stopGraceMs`.
   *
   * @throws SluiceError SLU-20xx, SLU-40xx, SLU-5001, SLU-5002, SLU-5003, SLU-5010, SLU-5011, SLU-5041, SLU-5101 to SLU-5103
   */
  run(signal: AbortSignal): Promise<void>
}

export function createProjector(options: ProjectorOptions): Projector {
  return { run: (signal) => runProjector(options, signal) }
}

/** Consumer group of a service. */
export function consumerGroupOf(system: SystemDefinition, service: string): string {
  return `sluice.${system.name}.${service}`
}

async function runProjector(options: ProjectorOptions, signal: AbortSignal): Promise<void> {
  const { system, service, target, kafka } = options
  const limits: ProjectorLimits = { ...DEFAULT_PROJECTOR_LIMITS, ...options.limits }
  const { logger } = options
  const onProgress = options.onProgress ?? (() => undefined)
  const granted = grantedColumnsOf(system, service, options.keys ?? null)
  const plan = await readPlan(system, service, target, granted)
  if (granted) await applyErasures(granted, target, logger)
  const subscriptions = laneSubscriptions(system, service)
  const session = new ConsumerSession({
    service,
    groupId: consumerGroupOf(system, service),
    subscriptions,
    kafka,
    limits,
    isShared: plan.isIndependent,
    takeOver: plan.isIndependent ? claim(target) : (partitions) => takeOver(target, partitions),
  })
  const connection = new ServiceConnection(target, `sluice projector ${service}`)
  const claims = new ClaimedValues(options.claims ?? null, service)
  const sink = sinkOf(system, service, options.openSink ?? null)
  const stop = stopWithin(connection, limits.stopGraceMs, signal)
  try {
    await sink?.open()
    await session.open()
    while (!signal.aborted) {
      const assignment = session.current
      if (assignment) {
        onProgress({ kind: 'active', partitions: assignment.partitions })
        logger.info({ partitions: assignment.partitions }, 'the projector is active')
        const work = {
          assignment,
          session,
          connection,
          plan,
          subscriptions,
          target,
          kafka,
          decoder: options.decoder,
          claims,
          sink,
          limits,
          logger,
          onProgress,
        }
        await new AssignmentWork(work).run(signal)
      } else {
        onProgress({ kind: 'standby' })
        await Promise.race([session.changed, stop.requested])
      }
    }
  } finally {
    stop.done()
    await session.close()
    await connection.close()
    await claims.close()
    await sink?.close()
    await granted?.close()
  }
}

/** Captured topics that the service consumes, a lane each, with the lane's control topic. */
export function laneSubscriptions(system: SystemDefinition, service: string): readonly LaneSubscription[] {
  return subscriptionsOf(system, service).map(({ lane, topics }) => ({
    laneName: lane.name,
    controlTopic: controlTopicName(system.name, lane.name),
    topics,
  }))
}

async function readPlan(
  system: SystemDefinition,
  service: string,
  target: PostgresTarget,
  granted: GrantedColumns | null,
): Promise<ProjectionPlan> {
  const mappings = mappingsOf(system, service)
  const client = await connect(target, { applicationName: `sluice projector ${service}`, mayBePooled: true })
  try {
    await client.query(
      `SELECT FROM public.projector_positions, public.consumed_offsets, public.parked_events, public.parked_event_results,
         public.parked_event_edits LIMIT 0`,
    )
    const catalog = await readTargetCatalog(client, service, mappings)
    await assertHeldColumns(client, service, system.services[service]!)
    await assertRowsVisible(client, service, system.services[service]!)
    if (system.services[service]?.independent === true) assertIndependent(service, mappings, catalog)
    return planProjections(system, service, catalog, granted)
  } catch (error) {
    if (sqlStateOf(error) !== '42P01') throw toPostgresError(error, target)
    throw new SluiceError('SERVICE_NOT_PROVISIONED', {
      what: `the database of service "${service}" is not prepared`,
      why: `${target.display} lacks Sluice's own tables`,
      ways: ['sluice provision'],
      cause: error,
    })
  } finally {
    await client.end()
  }
}

/** Before the service is opened to events: an older copy of it would have clear values of erased subjects. */
async function applyErasures(granted: GrantedColumns, target: PostgresTarget, logger: Logger): Promise<void> {
  const client = await connect(target, { applicationName: 'sluice projector', mayBePooled: true })
  try {
    const subjects = await granted.applyErasures(client)
    if (subjects > 0) logger.warn({ subjects }, 'the database lacked erasures, which were applied again')
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

/** Reads the position on a connection of its own: the other one may be busy with the last transaction of the assignment before. */
async function takeOver(target: PostgresTarget, partitions: readonly TopicPartition[]): Promise<ServicePosition> {
  return withConnection(target, { applicationName: 'sluice projector', mayBePooled: true }, async (client) => {
    await ensurePartitions(client, partitions)
    return readServicePosition(client, { waitForRunning: true })
  })
}

/** A claim of its own for each assignment: what an older one of this process began can not commit either. */
function claim(target: PostgresTarget): ConsumerSessionOptions['takeOver'] {
  return (own, all) =>
    withConnection(target, { applicationName: 'sluice projector', mayBePooled: true }, (client) =>
      claimPartitions(client, parseUuid(randomUUID()), own, all),
    )
}

/** After the signal a running statement has `graceMs`, then its connection is closed: the transaction leaves nothing. */
function stopWithin(
  connection: ServiceConnection,
  graceMs: number,
  signal: AbortSignal,
): { readonly requested: Promise<undefined>; readonly done: () => void } {
  const { promise: requested, resolve } = Promise.withResolvers<undefined>()
  let grace: NodeJS.Timeout | undefined
  const begin = (): void => {
    resolve(undefined)
    grace = setTimeout(() => {
      connection.abandon()
    }, graceMs)
  }
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, { once: true })
  return {
    requested,
    done: () => {
      clearTimeout(grace)
      signal.removeEventListener('abort', begin)
    },
  }
}

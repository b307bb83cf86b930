/**
 * The relay of a lane: publishes stored events in order, in Kafka transactions with one control record each.
 *
 * States: fencing → checking → publishing ⇄ waiting → stopped | failed. Killed anywhere: a transaction that was not committed
 * is aborted by the next relay's fence, and the last control record tells where to go on.
 *
 * R1  Every transaction holds one control record, with the position that its events reach.
 * R2  What is published comes from committed control records only; the store's copy is written after Kafka's commit.
 * R3  An event that can't be published is parked, with those of its key behind it; where it can't be parked the relay stops before it.
 * R4  Held are two chunks: the one that is sent and the one that is read.
 * R5  What a message claims is stored before the message is sent; of a message that never was, its claims are found again (decision 0018).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Logger, SluiceError, faultPoint, toSluiceError } from '@sluice/core'
import type { SchemaRegistry } from '@sluice/avro'
import { type KafkaPort, type TransactionalProducer, lastControlRecord } from '@sluice/kafka'
import { type PostgresTarget, createPool, toPostgresError } from '@sluice/postgres'
import {
  type EventReader,
  createEventReader,
  closedLinkAt,
  findLane,
  getLane,
  recordRelayFailure,
  relayProgress,
  restoreRelayProgress,
  retainedAfter,
  storeClaims,
} from '@sluice/store'
import { type LaneDefinition, type SystemDefinition, controlTopicName, topicsOf } from '@sluice/system'
import type { Pool, PoolClient } from 'pg'
import { type ClaimStore, chunks } from './chunk-source.ts'
import { EventParking } from './event-parking.ts'
import { LogEnds } from './log-ends.ts'
import { LanePublisher } from './lane-publisher.ts'
import { RefusedEvent } from './refused-event.ts'
import { createMessageRouter } from './message-routing.ts'
import { ProgressWriter } from './progress-writer.ts'
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
import type { OnRelayProgress } from './relay-progress.ts'
import { type RelayStart, type StartFacts, checkStart } from './relay-start.ts'

/** Once, before the lane's first event. */
const LANE_POLL_MS = 500

export interface RelayOptions {
  readonly system: SystemDefinition
  readonly lane: LaneDefinition
  readonly pipeline: PostgresTarget
  readonly kafka: KafkaPort
  readonly registry: SchemaRegistry
  readonly logger: Logger
  readonly limits?: Partial<RelayLimits>
  readonly onProgress?: OnRelayProgress
}

export interface Relay {
  /**
   * Publishes until the signal aborts; then ends its transaction and resolves.
   *
   * @throws SluiceError: SLU-4101 when a newer relay took over, SLU-4102, SLU-4104, SLU-4105 at start; SLU-4203 and SLU-4004 for an
   *   event that can be neither published nor parked; SLU-4001, SLU-4003, SLU-4201, SLU-2xxx where a start anew may help
   */
  run(signal: AbortSignal): Promise<void>
}

export function createRelay(options: RelayOptions): Relay {
  return { run: (signal) => runRelay(options, signal) }
}

/** The transactional id of a lane's relay: who opens it fences who had it. */
export function relayTransactionalId(system: string, lane: string): string {
  return `sluice.${system}.${lane}.relay`
}

async function runRelay(options: RelayOptions, signal: AbortSignal): Promise<void> {
  const { system, lane, pipeline, kafka, logger } = options
  const pool = createPool(pipeline, { applicationName: `sluice relay ${lane.name}`, max: 2 })
  const reader = createEventReader(pipeline, { logger })
  let producer: TransactionalProducer | undefined
  try {
    if (!(await waitForLane(options, pool, signal))) return
    producer = await kafka.transactionalProducer(relayTransactionalId(system.name, lane.name))
    await publishLane(options, { pool, reader, producer }, signal)
  } catch (error) {
    throw toSluiceError(error)
  } finally {
    await producer?.close()
    await reader.close()
    await pool.end()
  }
}

/** The reader makes the lane when it first starts, which may be after the relay's start. @returns false if the signal aborted */
async function waitForLane(options: RelayOptions, pool: Pool, signal: AbortSignal): Promise<boolean> {
  const { system, lane, pipeline, logger } = options
  for (let isTold = false; !signal.aborted; isTold = true) {
    const found = await withClient(pipeline, pool, (client) => findLane(client, system.name, lane.name))
    if (found !== null && found.phase !== 'creating') return true
    if (!isTold) logger.info({ system: system.name }, 'the relay waits for the reader to make its lane')
    await delay(LANE_POLL_MS, undefined, { signal }).catch(() => undefined)
  }
  return false
}

interface RelayTools {
  readonly pool: Pool
  readonly reader: EventReader
  readonly producer: TransactionalProducer
}

async function publishLane(options: RelayOptions, tools: RelayTools, signal: AbortSignal): Promise<void> {
  const { system, lane, kafka, registry, logger } = options
  const limits = { ...DEFAULT_RELAY_LIMITS, ...options.limits }
  const admin = await kafka.admin()
  try {
    const { clusterId } = await admin.cluster()
    const facts = await readFacts(options, tools.pool, clusterId)
    const start = checkStart(facts)
    await rememberStart(options, tools.pool, facts, start)
    const route = await createMessageRouter(system, lane, registry, admin, limits)
    logger.info({ position: String(start.position), clusterId }, 'the relay publishes')
    options.onProgress?.({ kind: 'started', position: start.position })
    const parking = await EventParking.open(
      {
        pool: tools.pool,
        target: options.pipeline,
        lane: facts.lane.lane,
        definition: lane,
        parkedMax: limits.parkedMax,
        onParked: (position, reason) => {
          logger.warn({ code: reason.number, position: String(position), why: reason.why }, 'an event is parked')
          options.onProgress?.({ kind: 'parked', position, code: reason.number })
        },
      },
      start,
    )
    const store: ClaimStore = async (event, { claimed, keptUntil }) => {
      await withClient(options.pipeline, tools.pool, (client) => storeClaims(client, event, claimed, keptUntil))
      faultPoint('relay.claim-stored')
    }
    const publisher = new LanePublisher(
      {
        producer: tools.producer,
        progress: new ProgressWriter(tools.pool, options.pipeline),
        parking,
        logEnds: await LogEnds.read(
          admin,
          topicsOf(lane).map((topic) => topic.name),
        ),
        controlTopic: controlTopicName(system.name, lane.name),
        lane: facts.lane,
        clusterId,
        logger,
        onProgress: options.onProgress,
      },
      start,
    )
    await publishAll(
      options,
      tools,
      publisher,
      chunks({ reader: tools.reader, lane: facts.lane.lane, route, limits, parking, store }, start, signal),
    )
  } finally {
    await admin.close()
  }
}

/** Sends each chunk while the next is read and encoded. */
async function publishAll(
  options: RelayOptions,
  tools: RelayTools,
  publisher: LanePublisher,
  source: ReturnType<typeof chunks>,
): Promise<void> {
  try {
    for (let next = source.next(); ;) {
      const result = await next
      if (result.done === true) break
      next = source.next()
      // Its fault is met at the next turn, also if sending fails first.
      next.catch(() => undefined)
      await publisher.publish(result.value)
    }
    await publisher.flush()
  } catch (error) {
    throw await noteRefusal(options, tools.pool, publisher, error)
  }
}

/** Writes down which event is refused, before the relay stops at it. */
async function noteRefusal(options: RelayOptions, pool: Pool, publisher: LanePublisher, error: unknown): Promise<unknown> {
  if (!(error instanceof RefusedEvent)) return error
  const { position, reason } = error
  options.onProgress?.({ kind: 'refused', position, code: reason.number })
  await withClient(options.pipeline, pool, (client) => recordRelayFailure(client, publisher.lane, position, reason))
  return reason
}

async function readFacts(options: RelayOptions, pool: Pool, clusterId: string): Promise<StartFacts> {
  const { system, lane, kafka } = options
  const record = await lastControlRecord(kafka, controlTopicName(system.name, lane.name))
  return withClient(options.pipeline, pool, async (client) => {
    // The lane is read after the record: the store only grows, so what the record names must be in it by now.
    const found = await getLane(client, system.name, lane.name)
    return {
      lane: found,
      clusterId,
      record,
      progress: await relayProgress(client, found.lane),
      closedLink: record === null ? null : await closedLinkAt(client, found.lane, record.position),
      retainedAfter: await retainedAfter(client, found.lane),
    }
  })
}

async function rememberStart(
  options: RelayOptions,
  pool: Pool,
  { lane, clusterId }: StartFacts,
  start: RelayStart,
): Promise<void> {
  if (start.record === null) return
  await withClient(options.pipeline, pool, (client) =>
    restoreRelayProgress(client, { lane: lane.lane, position: start.position, clusterId }),
  )
}

async function withClient<T>(target: PostgresTarget, pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  try {
    const client = await pool.connect()
    try {
      return await work(client)
    } finally {
      client.release()
    }
  } catch (error) {
    throw error instanceof SluiceError ? error : toPostgresError(error, target)
  }
}

/**
 * The relay of a lane: stored events to Kafka, each exactly once, in order (promise 5).
 *
 *   wait for the lane ─▶ fence the predecessor ─▶ read the control topic ─▶ check the hand-over ─▶ publish … ─▶ idle ─▶ publish …
 *
 * R1  A Kafka transaction holds the messages of a stretch of positions and one control record, or neither.
 * R2  A commit of the source with up to `eventsMax` events is in one transaction.
 * R3  The next stretch is read and encoded while the last one is published; at most two are held.
 * R4  `relay_progress` follows Kafka's commit, never leads it.
 *
 * Killed before Kafka's commit, the transaction is aborted by the successor that fences this one; killed after it, the control
 * record says so. Nothing is retried here: whatever fails, the next run begins from the control topic.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { EventEncoder, SchemaRegistry } from '@sluice/avro'
import { prepareEncoders } from '@sluice/avro'
import { type Logger, SluiceError, formatControlRecord, isSluiceError } from '@sluice/core'
import { type KafkaPort, type TransactionalProducer, lastControlRecord } from '@sluice/kafka'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import {
  type EventReader,
  type LaneRecord,
  chainStart,
  createEventReader,
  findLane,
  recordPublished,
  recordRelayFailure,
  relayProgress,
  restoreRelayProgress,
} from '@sluice/store'
import { type LaneDefinition, type SystemDefinition, controlTopicName, topicsOf } from '@sluice/system'
import type { Client } from 'pg'
import { EventRouting } from './event-routing.ts'
import { checkHandOver } from './hand-over-check.ts'
import { type Publication, type PublicationSource, RefusedEvent, nextPublication } from './publication.ts'
import { type PublishingState, controlRecordOf, stateAfter, stateBefore } from './publishing-state.ts'
import { RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
import type { OnRelayProgress } from './relay-progress.ts'

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
  /** @throws SluiceError of the ranges 20xx, 3xxx, 4xxx; its `retry` says whether another run may pass. */
  run(signal: AbortSignal): Promise<void>
}

export function createRelay(options: RelayOptions): Relay {
  return { run: (signal) => runRelay(options, { ...RELAY_LIMITS, ...options.limits }, signal) }
}

async function runRelay(options: RelayOptions, limits: RelayLimits, signal: AbortSignal): Promise<void> {
  const client = await connect(options.pipeline, { applicationName: `sluice relay ${options.lane.name}` })
  try {
    const encoders = await prepareEncoders(options.registry, options.system, options.lane)
    const lane = await waitForLane(options, client, limits.laneWaitMs, signal)
    if (lane === null) return
    await using session = await RelaySession.open(options, client, lane, encoders, limits)
    await session.publishUntil(signal)
  } catch (error) {
    throw isSluiceError(error) ? error : toPostgresError(error, options.pipeline)
  } finally {
    await client.end()
  }
}

/** The reader makes the lane at its first start, which may come after the relay's. */
async function waitForLane(
  options: RelayOptions,
  client: Client,
  laneWaitMs: number,
  signal: AbortSignal,
): Promise<LaneRecord | null> {
  while (!signal.aborted) {
    const lane = await findLane(client, options.system.name, options.lane.name)
    if (lane && lane.phase !== 'creating') return lane
    await delay(laneWaitMs, undefined, { signal }).catch(() => undefined)
  }
  return null
}

class RelaySession implements AsyncDisposable {
  readonly #options: RelayOptions
  readonly #client: Client
  readonly #lane: LaneRecord
  readonly #producer: TransactionalProducer
  readonly #reader: EventReader
  readonly #source: PublicationSource
  readonly #clusterId: string
  #state: PublishingState
  /** The last batch on its way into the store's notes. */
  #noting: Promise<void> = Promise.resolve()

  private constructor(parts: {
    readonly options: RelayOptions
    readonly client: Client
    readonly lane: LaneRecord
    readonly producer: TransactionalProducer
    readonly source: PublicationSource
    readonly clusterId: string
    readonly state: PublishingState
  }) {
    this.#options = parts.options
    this.#client = parts.client
    this.#lane = parts.lane
    this.#producer = parts.producer
    this.#reader = parts.source.reader
    this.#source = parts.source
    this.#clusterId = parts.clusterId
    this.#state = parts.state
  }

  /** Fences first, and reads what the predecessor left only then: nothing can be added to it any more. */
  static async open(
    options: RelayOptions,
    client: Client,
    lane: LaneRecord,
    encoders: ReadonlyMap<string, EventEncoder>,
    limits: RelayLimits,
  ): Promise<RelaySession> {
    const { kafka, system } = options
    const { clusterId, partitions } = await describeTopics(kafka, options.lane)
    const producer = await kafka.transactionalProducer(`sluice.${system.name}.${lane.laneName}`)
    try {
      const controlTopic = controlTopicName(system.name, lane.laneName)
      const control = await lastControlRecord(kafka, controlTopic)
      // The lane may have moved since it was found: it must be read after the control topic to be compared with it.
      const present = (await findLane(client, system.name, lane.laneName)) ?? lane
      const noted = await relayProgress(client, lane.lane)
      await checkHandOver(client, { lane: present, clusterId, controlTopic, control, noted })
      if (control) await restoreRelayProgress(client, { lane: lane.lane, position: control.position, clusterId })
      const reader = createEventReader(options.pipeline, { logger: options.logger })
      const source = {
        systemName: system.name,
        lane,
        reader,
        routing: new EventRouting(options.lane, partitions),
        encoders,
        limits,
      }
      const state = stateBefore(control, chainStart(lane.epoch).toString('hex'))
      options.onProgress?.({ kind: 'started', position: state.position })
      options.logger.info({ position: state.position, link: state.link }, 'relay goes on from the control topic')
      return new RelaySession({ options, client, lane, producer, source, clusterId, state })
    } catch (error) {
      await producer.close()
      throw error
    }
  }

  async publishUntil(signal: AbortSignal): Promise<void> {
    let next = this.#prepare()
    while (!signal.aborted) {
      const publication = await this.#prepared(next)
      if (publication === null) {
        await this.#noting
        this.#options.onProgress?.({ kind: 'idle', position: this.#state.position })
        await this.#reader.waitForEvents(this.#lane.lane, this.#state.position, signal)
        next = this.#prepare()
        continue
      }
      next = this.#prepare(publication)
      await this.#publish(publication)
    }
    // What was prepared and not published is read again by the next run.
    await next.catch(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#noting.catch(() => undefined)
    await this.#reader.close()
    await this.#producer.close()
  }

  #prepare(before?: Publication): Promise<Publication | null> {
    const next = nextPublication(this.#source, before?.last ?? this.#state.position)
    // It is awaited after the publication before it; until then its failure must not count as unhandled.
    next.catch(() => undefined)
    return next
  }

  async #prepared(next: Promise<Publication | null>): Promise<Publication | null> {
    try {
      return await next
    } catch (error) {
      if (!(error instanceof RefusedEvent)) throw error
      await this.#noting
      await recordRelayFailure(this.#client, this.#lane.lane, error.position, error.reason)
      throw error.reason
    }
  }

  async #publish(publication: Publication): Promise<void> {
    const transaction = await this.#producer.begin()
    let after: PublishingState
    try {
      const sent = await transaction.send(publication.topics)
      after = stateAfter(this.#state, publication, sent)
      const record = controlRecordOf(this.#lane, this.#clusterId, this.#state, after, publication.commitEnd)
      const topic = controlTopicName(this.#options.system.name, this.#lane.laneName)
      const key = Buffer.from(this.#lane.laneName)
      const value = Buffer.from(formatControlRecord(record))
      await transaction.send([{ topic, messages: [{ partition: 0, key, value, headers: {}, timestampMs: Date.now() }] }])
    } catch (error) {
      // An abort that fails as well is finished by the next relay, when it fences this one.
      await transaction.abort().catch((abortError: unknown) => {
        this.#options.logger.warn(
          { err: abortError },
          'the transaction could not be aborted; the next start of the relay does it',
        )
      })
      throw await this.#refused(publication, error)
    }
    await transaction.commit()
    this.#state = after
    const elapsedMs = performance.now() - publication.startedAt
    await this.#note(publication, elapsedMs)
    const events = Number(publication.last - publication.first) + 1
    this.#options.onProgress?.({ kind: 'published', events, position: publication.last, elapsedMs })
  }

  /** Notes the batch in the store while the next one is published; one at a time, so that nothing piles up. */
  async #note({ first, last }: Publication, elapsedMs: number): Promise<void> {
    await this.#noting
    this.#noting = recordPublished(this.#client, {
      lane: this.#lane.lane,
      first,
      last,
      clusterId: this.#clusterId,
      serviceName: 'relay',
      elapsedMs,
    })
    this.#noting.catch(() => undefined)
  }

  /** An event that Kafka will never take is noted; which one of the stretch it was, Kafka does not say. */
  async #refused({ first }: Publication, error: unknown): Promise<unknown> {
    if (isSluiceError(error, 'MESSAGE_TOO_LARGE')) {
      await this.#noting
      await recordRelayFailure(this.#client, this.#lane.lane, first, error)
    }
    return error
  }
}

/** @throws SluiceError SLU-4001, SLU-4002 */
async function describeTopics(
  kafka: KafkaPort,
  lane: LaneDefinition,
): Promise<{ readonly clusterId: string; readonly partitions: ReadonlyMap<string, number> }> {
  const admin = await kafka.admin()
  try {
    const { clusterId } = await admin.cluster()
    const partitions = new Map<string, number>()
    for (const topic of topicsOf(lane)) partitions.set(topic.name, await admin.partitionCount(topic.name))
    return { clusterId, partitions }
  } finally {
    await admin.close()
  }
}

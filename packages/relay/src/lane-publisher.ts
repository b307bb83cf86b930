/**
 * Sends chunks in Kafka transactions; the last one of each takes the control record with it, in one request.
 *
 * The record names the offsets at which the events are expected. Where Kafka put them elsewhere, the transaction is aborted and its
 * first chunk sent again, at what was learned; a later chunk can not be, and ends the relay.
 *
 * L1  The ends and the position move after Kafka's commit only.
 * L2  After a fault nothing is sent any more: the relay is thrown away with its producer.
 * L3  Nothing is committed unless Kafka answered exactly the offsets that the control record names.
 */
import {
  type ControlRecord,
  type LaneId,
  type Logger,
  type PartitionEnd,
  type PositionNumber,
  SluiceError,
  faultPoint,
  formatControlRecord,
  isSluiceError,
  positionNumber,
} from '@sluice/core'
import type { KafkaTransaction, SentBatch, TopicMessages, TransactionalProducer } from '@sluice/kafka'
import type { LaneRecord } from '@sluice/store'
import type { Chunk } from './chunk-source.ts'
import type { EventParking } from './event-parking.ts'
import type { LogEnds } from './log-ends.ts'
import type { ProgressWriter } from './progress-writer.ts'
import { advanceEnds } from './published-ends.ts'
import type { OnRelayProgress } from './relay-progress.ts'
import type { RelayStart } from './relay-start.ts'
import { RefusedEvent } from './refused-event.ts'

export interface LanePublisherOptions {
  readonly producer: TransactionalProducer
  readonly progress: ProgressWriter
  readonly parking: EventParking
  readonly logEnds: LogEnds
  readonly controlTopic: string
  readonly lane: LaneRecord
  readonly clusterId: string
  readonly logger: Logger
  readonly onProgress: OnRelayProgress | undefined
}

interface OpenTransaction {
  readonly kafka: KafkaTransaction
  readonly startedAtMs: number
  readonly sent: SentBatch[]
  events: number
}

/** An answer teaches where the next messages will lie, so a second attempt is right unless somebody else writes. */
const SENDS_MAX = 3

export class LanePublisher {
  readonly #options: LanePublisherOptions
  #position: PositionNumber
  #ends: readonly PartitionEnd[]
  readonly #logEnds: LogEnds
  #open: OpenTransaction | null = null

  constructor(options: LanePublisherOptions, start: RelayStart) {
    this.#options = options
    this.#position = start.position
    this.#ends = start.record?.partitions ?? []
    this.#logEnds = options.logEnds
  }

  get lane(): LaneId {
    return this.#options.lane.lane
  }

  /** @throws RefusedEvent; SluiceError of the 4xxx range */
  async publish(chunk: Chunk): Promise<void> {
    faultPoint('relay.before-send')
    try {
      if (this.#open === null) await this.#publishFirst(chunk)
      else await this.#publishNext(this.#open, chunk)
    } catch (error) {
      await this.#abort()
      throw isSluiceError(error, 'MESSAGE_TOO_LARGE') ? new RefusedEvent(chunk.largest, error) : error
    }
  }

  async #publishFirst(chunk: Chunk): Promise<void> {
    for (let attempt = 1; attempt <= SENDS_MAX; attempt += 1) {
      if (await this.#send(await this.#begin(chunk), chunk)) return
      this.#options.logger.debug({ attempt }, 'messages are not where they were expected; they are sent again')
      await this.#open?.kafka.abort()
      this.#open = null
      this.#logEnds.ended()
    }
    throw this.#elsewhere(chunk)
  }

  async #publishNext(open: OpenTransaction, chunk: Chunk): Promise<void> {
    if (!(await this.#send(open, chunk))) throw this.#elsewhere(chunk)
  }

  /** Sends a chunk, and ends its transaction if it is the last. @returns false if its messages came to lie elsewhere */
  async #send(open: OpenTransaction, chunk: Chunk): Promise<boolean> {
    const expected = this.#logEnds.expect(chunk.topics)
    open.sent.push(...expected)
    open.events += chunk.events
    const ends = advanceEnds(this.#ends, open.sent)
    const topics = chunk.isLast ? [...chunk.topics, this.#controlMessage(chunk, ends)] : chunk.topics
    const isExact = this.#logEnds.sent(expected, await open.kafka.send(topics))
    faultPoint('relay.after-send')
    if (isExact && chunk.isLast) await this.#commit(open, chunk, ends)
    return isExact
  }

  async #begin({ startedAtMs }: Chunk): Promise<OpenTransaction> {
    const open = { kafka: await this.#options.producer.begin(), startedAtMs, sent: [], events: 0 }
    this.#open = open
    return open
  }

  /** So that consumers do not wait for Kafka to end the transaction; if it fails, the next relay's fence does it. */
  async #abort(): Promise<void> {
    try {
      await this.#open?.kafka.abort()
    } catch (error) {
      this.#options.logger.debug({ error }, 'a transaction could not be aborted; the next start of the relay ends it')
    }
  }

  flush(): Promise<void> {
    return this.#options.progress.flush()
  }

  async #commit(open: OpenTransaction, chunk: Chunk, ends: readonly PartitionEnd[]): Promise<void> {
    const { lane, progress, parking, clusterId, onProgress } = this.#options
    faultPoint('relay.before-commit')
    await open.kafka.commit()
    this.#logEnds.ended()
    faultPoint('relay.after-commit')
    await parking.published(chunk.late)
    const position = chunk.plan.through
    const first = positionNumber(this.#position + 1n)
    this.#open = null
    this.#ends = ends
    this.#position = position
    const elapsedMs = performance.now() - open.startedAtMs
    // What was parked is published without moving the position.
    if (position >= first) progress.add({ lane: lane.lane, first, last: position, clusterId, serviceName: 'relay', elapsedMs })
    const { committedAtMicros } = chunk
    onProgress?.({ kind: 'published', events: open.events, position, elapsedMs, committedAtMicros })
  }

  #elsewhere({ plan }: Chunk): SluiceError {
    return new SluiceError('KAFKA_FAILED', {
      what: `events up to position ${plan.through} of lane ${this.#options.lane.laneName} can not be published`,
      why: 'Kafka put them at other offsets than the end of their partitions: somebody else writes to these topics, or a request was sent twice',
      ways: [
        'nothing is lost: the transaction was aborted, and the relay begins again from its last control record',
        'sluice doctor    checks topics and privileges',
      ],
    })
  }

  #controlMessage(chunk: Chunk, ends: readonly PartitionEnd[]): TopicMessages {
    const { controlTopic, lane } = this.#options
    const value = Buffer.from(formatControlRecord(this.#controlRecord(chunk, ends)))
    const key = Buffer.from(lane.laneName)
    return { topic: controlTopic, messages: [{ partition: 0, key, value, headers: {}, timestampMs: Date.now() }] }
  }

  #controlRecord({ plan, late }: Chunk, partitions: readonly PartitionEnd[]): ControlRecord {
    const { lane, clusterId } = this.#options
    return {
      lane: lane.lane,
      laneName: lane.laneName,
      epoch: lane.epoch,
      position: plan.through,
      previous: this.#position,
      commitEnd: plan.commitEnd,
      link: plan.chain.link,
      head: plan.chain.head,
      partitions,
      clusterId,
      ...(late.length === 0 ? {} : { late }),
    }
  }
}

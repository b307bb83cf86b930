/**
 * Sends chunks in Kafka transactions and ends each with its control record.
 *
 * A transaction of one chunk goes out in one request, its control record with it: the record's offsets are those that are expected.
 * Where Kafka put the messages elsewhere, the transaction is aborted and sent again, events first.
 *
 * L1  The ends and the position move after Kafka's commit only.
 * L2  After a fault nothing is sent any more: the relay is thrown away with its producer.
 * L3  A control record is committed only with the offsets that Kafka answered.
 */
import {
  type ControlRecord,
  type LaneId,
  type Logger,
  type PartitionEnd,
  type PositionNumber,
  faultPoint,
  formatControlRecord,
  isSluiceError,
  positionNumber,
} from '@sluice/core'
import type { KafkaTransaction, SentBatch, TopicMessages, TransactionalProducer } from '@sluice/kafka'
import type { LaneRecord } from '@sluice/store'
import type { Chunk } from './chunk-source.ts'
import type { EventParking } from './event-parking.ts'
import { expectedBatches, landedAsExpected } from './expected-batches.ts'
import type { ProgressWriter } from './progress-writer.ts'
import { advanceEnds } from './published-ends.ts'
import type { OnRelayProgress } from './relay-progress.ts'
import type { RelayStart } from './relay-start.ts'
import { RefusedEvent } from './refused-event.ts'

export interface LanePublisherOptions {
  readonly producer: TransactionalProducer
  readonly progress: ProgressWriter
  readonly parking: EventParking
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

export class LanePublisher {
  readonly #options: LanePublisherOptions
  #position: PositionNumber
  #ends: readonly PartitionEnd[]
  #open: OpenTransaction | null = null

  constructor(options: LanePublisherOptions, start: RelayStart) {
    this.#options = options
    this.#position = start.position
    this.#ends = start.record?.partitions ?? []
  }

  get lane(): LaneId {
    return this.#options.lane.lane
  }

  /** @throws RefusedEvent; SluiceError of the 4xxx range */
  async publish(chunk: Chunk): Promise<void> {
    faultPoint('relay.before-send')
    try {
      if (this.#open === null && chunk.isLast && (await this.#publishAtOnce(chunk))) return
      await this.#publishInTurn(chunk)
    } catch (error) {
      await this.#abort()
      throw isSluiceError(error, 'MESSAGE_TOO_LARGE') ? new RefusedEvent(chunk.largest, error) : error
    }
  }

  /** A whole transaction in one request. @returns false if it was aborted, because its messages came to lie elsewhere */
  async #publishAtOnce(chunk: Chunk): Promise<boolean> {
    const open = await this.#begin(chunk)
    const expected = expectedBatches(this.#ends, chunk.topics)
    const ends = advanceEnds(this.#ends, expected)
    const sent = await open.kafka.send([...chunk.topics, this.#controlMessage(chunk, ends)])
    faultPoint('relay.after-send')
    if (!landedAsExpected(expected, sent)) {
      this.#options.logger.debug({ expected, sent }, 'messages are not where they were expected; they are sent again')
      await open.kafka.abort()
      this.#open = null
      return false
    }
    open.events += chunk.events
    await this.#commit(open, chunk, ends)
    return true
  }

  async #publishInTurn(chunk: Chunk): Promise<void> {
    const open = this.#open ?? (await this.#begin(chunk))
    open.sent.push(...(await open.kafka.send(chunk.topics)))
    faultPoint('relay.after-send')
    open.events += chunk.events
    if (!chunk.isLast) return
    const ends = advanceEnds(this.#ends, open.sent)
    await open.kafka.send([this.#controlMessage(chunk, ends)])
    await this.#commit(open, chunk, ends)
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

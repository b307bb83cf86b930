/**
 * Sends chunks in Kafka transactions and ends each with its control record.
 *
 * L1  The ends and the position move after Kafka's commit only.
 * L2  After a fault nothing is sent any more: the relay is thrown away with its producer.
 */
import {
  type ControlRecord,
  type LaneId,
  type Logger,
  type PartitionEnd,
  type PositionNumber,
  formatControlRecord,
  isSluiceError,
  positionNumber,
} from '@sluice/core'
import type { KafkaTransaction, SentBatch, TransactionalProducer } from '@sluice/kafka'
import type { LaneRecord } from '@sluice/store'
import type { Chunk } from './chunk-source.ts'
import type { ProgressWriter } from './progress-writer.ts'
import { advanceEnds } from './published-ends.ts'
import type { OnRelayProgress } from './relay-progress.ts'
import type { RelayStart } from './relay-start.ts'
import { RefusedEvent } from './refused-event.ts'

export interface LanePublisherOptions {
  readonly producer: TransactionalProducer
  readonly progress: ProgressWriter
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
    const { startedAtMs } = chunk
    const open = (this.#open ??= { kafka: await this.#options.producer.begin(), startedAtMs, sent: [], events: 0 })
    try {
      open.sent.push(...(await open.kafka.send(chunk.topics)))
      open.events += chunk.events
      if (chunk.isLast) await this.#end(open, chunk)
    } catch (error) {
      await this.#abort(open)
      throw isSluiceError(error, 'MESSAGE_TOO_LARGE') ? new RefusedEvent(chunk.largest, error) : error
    }
  }

  /** So that consumers do not wait for Kafka to end the transaction; if it fails, the next relay's fence does it. */
  async #abort(open: OpenTransaction): Promise<void> {
    try {
      await open.kafka.abort()
    } catch (error) {
      this.#options.logger.debug({ error }, 'a transaction could not be aborted; the next start of the relay ends it')
    }
  }

  flush(): Promise<void> {
    return this.#options.progress.flush()
  }

  async #end(open: OpenTransaction, chunk: Chunk): Promise<void> {
    const ends = advanceEnds(this.#ends, open.sent)
    const record = this.#controlRecord(chunk, ends)
    const { controlTopic, lane, progress, clusterId, onProgress } = this.#options
    await open.kafka.send([
      {
        topic: controlTopic,
        messages: [
          {
            partition: 0,
            key: Buffer.from(lane.laneName),
            value: Buffer.from(formatControlRecord(record)),
            headers: {},
            timestampMs: Date.now(),
          },
        ],
      },
    ])
    await open.kafka.commit()
    const first = positionNumber(this.#position + 1n)
    this.#open = null
    this.#ends = ends
    this.#position = record.position
    const elapsedMs = performance.now() - open.startedAtMs
    progress.add({ lane: lane.lane, first, last: record.position, clusterId, serviceName: 'relay', elapsedMs })
    const { committedAtMicros } = chunk
    onProgress?.({ kind: 'published', events: open.events, position: record.position, elapsedMs, committedAtMicros })
  }

  #controlRecord({ plan }: Chunk, partitions: readonly PartitionEnd[]): ControlRecord {
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
    }
  }
}

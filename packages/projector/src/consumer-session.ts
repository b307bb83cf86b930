/**
 * The projector's membership in its consumer group.
 *
 * States: standby → (assigned, position read from the service database) → active with one assembler → standby … → failed.
 * Each assignment has an assembler of its own; what an older one held is dropped with it.
 */
import { type Offset, type TopicPartition, offsetOf, partitionName } from '@sluice/core'
import type { GroupConsumer, KafkaPort } from '@sluice/kafka'
import { FrameAssembler, type LaneSubscription, type PartitionStart } from './frame-assembler.ts'
import { anotherCluster, topicMadeAnew } from './hand-over.ts'
import type { ProjectorLimits } from './projector-limits.ts'
import type { ServicePosition } from './service-position.ts'

export interface Assignment {
  readonly assembler: FrameAssembler
  /** What the service database said when the partitions were taken over. */
  readonly position: ServicePosition
  readonly partitions: number
}

export interface ConsumerSessionOptions {
  readonly service: string
  readonly groupId: string
  readonly subscriptions: readonly LaneSubscription[]
  readonly kafka: KafkaPort
  readonly limits: ProjectorLimits
  /** Reads the position of the service once the projector before has ended its last transaction. */
  readonly takeOver: (partitions: readonly TopicPartition[]) => Promise<ServicePosition>
}

export class ConsumerSession {
  readonly #options: ConsumerSessionOptions
  #consumer: GroupConsumer | undefined
  #current: Assignment | null = null
  #failure: Error | null = null
  /** Counts assignments and revocations, so that one that was taken away while its position was read is not used. */
  #turn = 0
  #changed = Promise.withResolvers<undefined>()

  constructor(options: ConsumerSessionOptions) {
    this.#options = options
  }

  /** Joins the group. @throws SluiceError SLU-4001, SLU-4002 */
  async open(): Promise<void> {
    const { kafka, groupId, subscriptions } = this.#options
    const topics = subscriptions.flatMap((s) => [s.controlTopic, ...s.topics])
    this.#consumer = await kafka.groupConsumer({ groupId, topics, assignment: 'single' })
    await this.#consumer.run({
      onAssigned: (partitions) => this.#takeOver(partitions),
      onRevoked: () => {
        this.#turn += 1
        this.#current = null
        this.#wake()
      },
      onBatch: (batch) => {
        this.#receive(batch)
      },
      onFailed: (error) => {
        this.#fail(error)
      },
    })
  }

  /** Null while standing by. @throws the error that the consumer failed with */
  get current(): Assignment | null {
    if (this.#failure) throw this.#failure
    return this.#current
  }

  /** Resolves when something came: messages, an assignment, a failure. */
  get changed(): Promise<undefined> {
    return this.#changed.promise
  }

  /** Pauses and resumes partitions after messages were taken. */
  adjustFlow(): void {
    if (!this.#current) return
    const { pause, resume } = this.#current.assembler.flow()
    if (pause.length > 0) this.#consumer?.pause(pause)
    if (resume.length > 0) this.#consumer?.resume(resume)
  }

  /** Shows offsets to people's tools; the truth is in the service database. */
  async mirror(position: ServicePosition): Promise<void> {
    await this.#consumer?.mirrorOffsets([...position.partitions.values()])
  }

  async close(): Promise<void> {
    this.#current = null
    await this.#consumer?.close()
  }

  async #takeOver(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, Offset>> {
    const turn = (this.#turn += 1)
    const position = await this.#options.takeOver(partitions)
    const start = await this.#startOf(partitions, position)
    const offsets = new Map([...start].map(([name, { next }]) => [name, next]))
    // Taken away again meanwhile: the consumer ignores the offsets too.
    if (turn !== this.#turn) return offsets
    const { service, subscriptions, limits } = this.#options
    this.#current = {
      assembler: new FrameAssembler({ service, subscriptions, start, lanes: position.lanes, limits }),
      position,
      partitions: partitions.length,
    }
    this.#wake()
    return offsets
  }

  /** Retention may have removed what was consumed long ago; whether events are missing is decided by counting. */
  async #startOf(
    partitions: readonly TopicPartition[],
    position: ServicePosition,
  ): Promise<ReadonlyMap<string, TopicPartition & PartitionStart>> {
    const { kafka, service } = this.#options
    const admin = await kafka.admin()
    try {
      const { clusterId } = await admin.cluster()
      for (const lane of position.lanes.values()) {
        if (lane.clusterId !== clusterId) throw anotherCluster(service, lane.clusterId, clusterId)
      }
      const start = new Map<string, TopicPartition & PartitionStart>()
      for (const topic of new Set(partitions.map((p) => p.topic))) {
        for (const { partition, low, high } of await admin.offsets(topic)) {
          const name = partitionName({ topic, partition })
          const { next, events } = position.partitions.get(name) ?? { next: offsetOf(0), events: 0n }
          if (next > high) throw topicMadeAnew(service, { topic, partition }, next, high)
          start.set(name, { topic, partition, next: low > next ? low : next, events })
        }
      }
      return start
    } finally {
      await admin.close()
    }
  }

  #receive(
    batch: TopicPartition & { readonly messages: readonly { readonly offset: Offset; readonly value: Buffer | null }[] },
  ): void {
    try {
      this.#current?.assembler.receive(batch, batch.messages)
      this.adjustFlow()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
    this.#wake()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  #wake(): void {
    this.#changed.resolve(undefined)
    this.#changed = Promise.withResolvers<undefined>()
  }
}

/**
 * The projector's membership in its consumer group: of an independent service the members share the data partitions, and each
 * reads the control topics by itself; of another one member has everything.
 *
 * States: standby → (assigned, position read from the service database) → active with one assembler → standby … → failed.
 * Each assignment has an assembler of its own; what an older one held is dropped with it.
 */
import { type Offset, type TopicPartition, offsetOf, partitionName } from '@sluice/core'
import type { GroupConsumer, KafkaPort } from '@sluice/kafka'
import { FrameAssembler, type LaneSubscription, type PartitionStart } from './frame-assembler.ts'
import { anotherCluster, topicMadeAnew } from './hand-over.ts'
import type { ProjectorLimits } from './projector-limits.ts'
import { type ServicePosition, sharesOf } from './service-position.ts'
import type { LanePartition } from './shared-work.ts'

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
  /** True if members share the data partitions. */
  readonly isShared: boolean
  /**
   * Reads the position of the service once the projector before has ended its last transaction.
   *
   * @param own What the member is to work on, control topics left out where it shares the work.
   * @param all Every data partition of the service; empty where the work is not shared.
   */
  readonly takeOver: (own: readonly TopicPartition[], all: readonly LanePartition[]) => Promise<ServicePosition>
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
    const { kafka, groupId, subscriptions, isShared } = this.#options
    const control = subscriptions.map((s) => s.controlTopic)
    const data = subscriptions.flatMap((s) => s.topics)
    this.#consumer = await kafka.groupConsumer(
      isShared
        ? { groupId, topics: data, assignment: 'shared', everyMember: control }
        : { groupId, topics: [...control, ...data], assignment: 'single' },
    )
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
    const all = this.#options.isShared ? await this.#everyPartition() : []
    const names = new Set(partitions.map(partitionName))
    const own = this.#options.isShared ? all.filter((p) => names.has(partitionName(p))) : partitions
    const position = await this.#options.takeOver(own, all)
    const start = await this.#startOf(partitions, position)
    const offsets = new Map([...start].map(([name, { next }]) => [name, next]))
    // Taken away again meanwhile: the consumer ignores the offsets too.
    if (turn !== this.#turn) return offsets
    const { service, limits } = this.#options
    // A lane of which the member has no partition is nothing to it: its control records would be frames of nothing.
    const subscriptions = this.#options.subscriptions.filter(
      ({ laneName }) => position.owner === null || sharesOf(position, laneName).length > 0,
    )
    const elsewhere = new Set(all.map(partitionName).filter((name) => !names.has(name)))
    this.#current = {
      assembler: new FrameAssembler({ service, subscriptions, start, lanes: position.lanes, limits, elsewhere }),
      position,
      partitions: partitions.length,
    }
    this.#wake()
    return offsets
  }

  /** Every data partition of the service, whoever has it. */
  async #everyPartition(): Promise<readonly LanePartition[]> {
    const { kafka, subscriptions } = this.#options
    const admin = await kafka.admin()
    try {
      const all: LanePartition[] = []
      for (const { laneName, controlTopic, topics } of subscriptions) {
        for (const topic of topics) {
          const count = await admin.partitionCount(topic)
          for (let partition = 0; partition < count; partition++) all.push({ laneName, controlTopic, topic, partition })
        }
      }
      return all
    } finally {
      await admin.close()
    }
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
      const assigned = new Set(partitions.map(partitionName))
      const start = new Map<string, TopicPartition & PartitionStart>()
      for (const topic of new Set(partitions.map((p) => p.topic))) {
        for (const { partition, low, high } of await admin.offsets(topic)) {
          const name = partitionName({ topic, partition })
          if (!assigned.has(name)) continue
          const { next, events } = position.partitions.get(name) ?? { next: this.#controlStart(topic, position), events: 0n }
          if (next > high) throw topicMadeAnew(service, { topic, partition }, next, high)
          start.set(name, { topic, partition, next: low > next ? low : next, events, consumed: next })
        }
      }
      return start
    } finally {
      await admin.close()
    }
  }

  /** A member that shares the work goes on with the control record that its hindmost partition needs. */
  #controlStart(topic: string, position: ServicePosition): Offset {
    const lane = this.#options.subscriptions.find((s) => s.controlTopic === topic)
    const needed = lane ? sharesOf(position, lane.laneName).map(({ share }) => share.control) : []
    return needed.reduce((least, next) => (next < least ? next : least), needed[0] ?? offsetOf(0))
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

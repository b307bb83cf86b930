/**
 * Kafka in memory, behind the project's port: partitions with offsets that have gaps (each transaction leaves a marker),
 * records that can be deleted, and groups in which one member gets every partition and the others stand by.
 */
import { type Offset, type TopicPartition, offsetOf, partitionName } from '@sluice/core'
import type { ConsumerHandlers, GroupConsumer, IncomingMessage, KafkaAdmin, KafkaPort } from '@sluice/kafka'

interface Log extends TopicPartition {
  low: bigint
  high: bigint
  messages: IncomingMessage[]
}

const MESSAGES_A_FETCH = 100

export class FakeKafka implements KafkaPort {
  readonly clusterId = 'fake-cluster'
  /** Settings of every topic. */
  config: Readonly<Record<string, string>> = { 'cleanup.policy': 'delete' }
  /** Time of the messages that are published from now on, milliseconds since 1970. */
  publishedAtMs = 0
  readonly #logs = new Map<string, Log>()
  readonly #members = new Map<string, Member[]>()

  constructor(topics: readonly { readonly name: string; readonly partitions: number }[]) {
    for (const { name, partitions } of topics) {
      for (let partition = 0; partition < partitions; partition++) {
        this.#logs.set(partitionName({ topic: name, partition }), { topic: name, partition, low: 0n, high: 0n, messages: [] })
      }
    }
  }

  partitionsOf(topic: string): number {
    return this.#logsOf([topic]).length
  }

  /** Appends messages in one transaction, whose marker takes an offset in each partition. Returns the offsets. */
  transact(messages: readonly (TopicPartition & { readonly value: Buffer })[]): readonly bigint[] {
    const touched = new Set<Log>()
    const offsets = messages.map((message) => {
      const log = this.#logs.get(partitionName(message))!
      touched.add(log)
      const offset = offsetOf(log.high++)
      log.messages.push({ offset, key: null, value: message.value, headers: {}, timestampMs: this.publishedAtMs })
      return offset
    })
    for (const log of touched) log.high++
    for (const members of this.#members.values()) members[0]?.wake()
    return offsets
  }

  /** What retention does: everything below an offset is gone. */
  deleteRecords(place: TopicPartition, before: bigint): void {
    const log = this.#logs.get(partitionName(place))!
    log.low = before
    log.messages = log.messages.filter((m) => m.offset >= before)
  }

  /** What a hand or compaction does: one record in the middle is gone. */
  removeRecord(place: TopicPartition, offset: bigint): void {
    const log = this.#logs.get(partitionName(place))!
    log.messages = log.messages.filter((m) => m.offset !== offset)
  }

  end(place: TopicPartition): bigint {
    return this.#logs.get(partitionName(place))!.high
  }

  /** Takes every partition from the active member of a group and gives them to the next. */
  async rebalance(groupId: string): Promise<void> {
    const members = this.#members.get(groupId) ?? []
    const [active] = members.splice(0, 1)
    if (!active) return
    active.revoke()
    members.push(active)
    await members[0]?.assign()
  }

  /** Lets a second member take over while the first still believes to be active: what a lost heartbeat looks like. */
  async takeOverUnnoticed(groupId: string): Promise<void> {
    await this.#members.get(groupId)?.[1]?.assign()
  }

  async groupConsumer(options: { groupId: string; topics: readonly string[] }): Promise<GroupConsumer> {
    const members = this.#members.get(options.groupId) ?? []
    this.#members.set(options.groupId, members)
    return new Member(() => this.#logsOf(options.topics), members)
  }

  async admin(): Promise<KafkaAdmin> {
    const unused = (): Promise<never> => Promise.reject(new Error('not part of this fake'))
    return {
      cluster: async () => ({ clusterId: this.clusterId, brokers: 1 }),
      listTopics: async () => [...new Set([...this.#logs.values()].map((l) => l.topic))],
      createTopics: unused,
      topicConfig: async () => this.config,
      brokerSetting: unused,
      partitionCount: async (topic) => this.partitionsOf(topic),
      replicationFactor: unused,
      offsets: async (topic) =>
        this.#logsOf([topic]).map(({ partition, low, high }) => ({ partition, low: offsetOf(low), high: offsetOf(high) })),
      close: async () => undefined,
    }
  }

  transactionalProducer(): Promise<never> {
    return Promise.reject(new Error('not part of this fake'))
  }

  async *readPartition(topic: string, partition: number, from: Offset): AsyncGenerator<IncomingMessage> {
    yield* this.#logs.get(partitionName({ topic, partition }))!.messages.filter((m) => m.offset >= from)
  }

  #logsOf(topics: readonly string[]): Log[] {
    return [...this.#logs.values()].filter((log) => topics.includes(log.topic))
  }
}

class Member implements GroupConsumer {
  readonly #logs: () => readonly Log[]
  readonly #members: Member[]
  readonly #next = new Map<string, bigint>()
  readonly #paused = new Set<string>()
  #handlers: ConsumerHandlers | undefined
  #isScheduled = false
  mirrored: readonly (TopicPartition & { readonly next: Offset })[] = []

  constructor(logs: () => readonly Log[], members: Member[]) {
    this.#logs = logs
    this.#members = members
  }

  get isActive(): boolean {
    return this.#next.size > 0
  }

  async run(handlers: ConsumerHandlers): Promise<void> {
    this.#handlers = handlers
    this.#members.push(this)
    if (this.#members[0] === this) await this.assign()
  }

  async assign(): Promise<void> {
    const places = this.#logs().map(({ topic, partition }) => ({ topic, partition }))
    try {
      const offsets = await this.#handlers?.onAssigned(places)
      for (const place of places) this.#next.set(partitionName(place), offsets?.get(partitionName(place)) ?? 0n)
    } catch (error) {
      this.#handlers?.onFailed(error as Error)
    }
    this.#paused.clear()
    this.wake()
  }

  revoke(): void {
    this.#next.clear()
    this.#handlers?.onRevoked()
  }

  wake(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#deliver()
    })
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const place of partitions) this.#paused.add(partitionName(place))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const place of partitions) this.#paused.delete(partitionName(place))
    this.wake()
  }

  async mirrorOffsets(offsets: readonly (TopicPartition & { readonly next: Offset })[]): Promise<void> {
    this.mirrored = offsets
  }

  async close(): Promise<void> {
    const index = this.#members.indexOf(this)
    if (index >= 0) this.#members.splice(index, 1)
    const wasActive = this.isActive
    this.#next.clear()
    if (wasActive && index === 0) await this.#members[0]?.assign()
  }

  #deliver(): void {
    let isMore = false
    for (const log of this.#logs()) {
      const name = partitionName(log)
      const next = this.#next.get(name)
      if (next === undefined || this.#paused.has(name)) continue
      const from = firstFrom(log.messages, next)
      const messages = log.messages.slice(from, from + MESSAGES_A_FETCH)
      const last = messages.at(-1)
      if (!last) continue
      this.#next.set(name, last.offset + 1n)
      isMore = true
      const bytes = messages.reduce((sum, m) => sum + (m.value?.length ?? 0), 0)
      this.#handlers?.onBatch({ topic: log.topic, partition: log.partition, messages, bytes })
    }
    if (isMore) this.wake()
  }
}

/** Index of the first message at or after an offset. */
function firstFrom(messages: readonly IncomingMessage[], offset: bigint): number {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (messages[middle]!.offset < offset) low = middle + 1
    else high = middle
  }
  return low
}

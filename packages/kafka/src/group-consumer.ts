/**
 * The group consumer. kafkajs keeps the membership (join, heartbeats, rebalance); its own fetching is paused for ever, since it
 * silently resets an offset that is out of range and can move a position over a rebalance. A `FetchLoop` fetches instead.
 *
 * States: standing by → assigned (offsets asked for) → active → standing by … → closed | failed.
 *
 * C1  Nothing is fetched in a partition before `onAssigned` said where to begin.
 * C2  After `onRevoked` or `close` no `onBatch` comes.
 * C3  An owner that stays the owner through a rebalance is not interrupted: a member that missed no generation keeps its id.
 */
import { type Offset, type TopicPartition, partitionName } from '@sluice/core'
import kafkajs, { type Consumer, type ConsumerGroupJoinEvent } from 'kafkajs'
import { FetchLoop } from './fetch-loop.ts'
import { isCoordinatorNotReady, toKafkaError } from './kafka-error.ts'
import { type KafkaConnection, kafkajsClient, lowLevelCluster } from './kafkajs-client.ts'
import type { ConsumerHandlers, GroupConsumer } from './kafka-port.ts'
import type { FetchLimits } from './partition-fetch.ts'
import { singleAssigner } from './single-assigner.ts'

export interface GroupConsumerOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly assignment: 'single' | 'shared'
  /** @default none */
  readonly everyMember?: readonly string[]
}

export interface GroupConsumerLimits extends FetchLimits {
  /** A member that sends no heartbeat for this long loses its partitions. @default 6000 */
  readonly sessionTimeoutMs: number
  /** How long Kafka may be away before the consumer gives up with SLU-4001. @default 30000 */
  readonly unreachableMs: number
}

const RETRY = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 10, restartOnFailure: () => Promise.resolve(false) }

export function createGroupConsumer(
  connection: KafkaConnection,
  options: GroupConsumerOptions,
  limits: GroupConsumerLimits,
): GroupConsumer {
  return new KafkajsGroupConsumer(connection, options, limits)
}

class KafkajsGroupConsumer implements GroupConsumer {
  readonly #connection: KafkaConnection
  readonly #options: GroupConsumerOptions
  readonly #limits: GroupConsumerLimits
  readonly #consumer: Consumer
  #handlers: ConsumerHandlers | undefined
  #loop: FetchLoop | undefined
  /** Partitions of `everyMember`. */
  #forEveryMember: readonly TopicPartition[] = []
  #memberId = ''
  #assigned: readonly TopicPartition[] = []
  #ownedSinceMs = 0
  /** Counts assignments, so that offsets that come late for an old one are not used. */
  #assignment = 0
  /** Since when the group's coordinator is not ready. */
  #joiningSince: number | undefined
  #isClosed = false

  constructor(connection: KafkaConnection, options: GroupConsumerOptions, limits: GroupConsumerLimits) {
    this.#connection = connection
    this.#options = options
    this.#limits = limits
    const kafka = kafkajsClient(connection, RETRY)
    this.#consumer = kafka.consumer({
      groupId: options.groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: limits.sessionTimeoutMs,
      heartbeatInterval: Math.floor(limits.sessionTimeoutMs / 4),
      rebalanceTimeout: limits.sessionTimeoutMs,
      maxWaitTimeInMs: limits.waitMs,
      retry: { ...RETRY, restartOnFailure: (error) => Promise.resolve(this.#mayJoinAgain(error)) },
      partitionAssigners: [
        options.assignment === 'single' ? singleAssigner(() => this.#ownedSinceMs) : kafkajs.PartitionAssigners.roundRobin,
      ],
    })
  }

  get isActive(): boolean {
    return this.#assigned.length > 0
  }

  async run(handlers: ConsumerHandlers): Promise<void> {
    this.#handlers = handlers
    const { topics, groupId, everyMember = [] } = this.#options
    this.#consumer.on(this.#consumer.events.GROUP_JOIN, (event) => {
      this.#onJoin(event)
    })
    this.#consumer.on(this.#consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.#fail(payload.error)
    })
    try {
      const cluster = lowLevelCluster(kafkajsClient(this.#connection, RETRY))
      await cluster.connect()
      await cluster.addMultipleTargetTopics([...topics, ...everyMember])
      this.#forEveryMember = everyMember.flatMap((topic) =>
        cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ topic, partition: partitionId })),
      )
      this.#loop = new FetchLoop(cluster, this.#limits, {
        onFetched: (fetched) => {
          if (fetched.messages.length > 0) handlers.onBatch(fetched)
        },
        onFailed: (error) => {
          this.#fail(error)
        },
      })
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topics: [...topics] })
      await this.#consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: () => Promise.resolve() })
    } catch (error) {
      await this.close()
      throw toKafkaError(error, { doing: `join the consumer group ${groupId}`, brokers: this.#connection.brokers })
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#loop?.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#loop?.resume(partitions)
  }

  async mirrorOffsets(offsets: readonly (TopicPartition & { readonly next: Offset })[]): Promise<void> {
    try {
      await this.#consumer.commitOffsets(
        offsets.map(({ topic, partition, next }) => ({ topic, partition, offset: next.toString() })),
      )
    } catch (error) {
      const { groupId } = this.#options
      throw toKafkaError(error, { doing: `commit offsets of the group ${groupId}`, brokers: this.#connection.brokers })
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#assignment++
    this.#assigned = []
    await this.#loop?.close()
    try {
      await this.#consumer.disconnect()
    } catch (error) {
      this.#connection.logger.debug({ component: 'kafka', error }, 'leaving a group failed; the session ends by itself')
    }
  }

  /** Called by kafkajs while the join is under way: the pause is in place before its first fetch. */
  #onJoin({ payload }: ConsumerGroupJoinEvent): void {
    this.#joiningSince = undefined
    if (this.#isClosed) return
    this.#consumer.pause(this.#options.topics.map((topic) => ({ topic })))
    const shared = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    )
    const now = shared.length > 0 ? [...shared, ...this.#forEveryMember] : []
    const isSame = payload.memberId === this.#memberId && sameKeys(now, this.#assigned)
    this.#memberId = payload.memberId
    if (isSame) return
    const hadSome = this.#assigned.length > 0
    const assignment = ++this.#assignment
    this.#assigned = now
    this.#ownedSinceMs = now.length > 0 ? Date.now() : 0
    this.#loop?.assign([])
    if (hadSome) this.#handlers?.onRevoked()
    if (now.length > 0) {
      this.#begin(now, assignment).catch((error: unknown) => {
        this.#fail(error)
      })
    }
  }

  async #begin(partitions: readonly TopicPartition[], assignment: number): Promise<void> {
    const offsets = await this.#handlers?.onAssigned(partitions)
    if (assignment !== this.#assignment || offsets === undefined) return
    const positions = partitions.map((at) => {
      const offset = offsets.get(partitionName(at))
      if (offset === undefined) throw new Error(`no offset to begin from for ${partitionName(at)}`)
      return { ...at, offset }
    })
    this.#loop?.assign(positions)
  }

  /** A coordinator that still loads its groups, or has moved, refuses to let members join, which kafkajs does not wait for. */
  #mayJoinAgain(error: unknown): boolean {
    if (this.#isClosed || !isCoordinatorNotReady(error)) return false
    this.#joiningSince ??= performance.now()
    return performance.now() - this.#joiningSince < this.#limits.unreachableMs
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return
    const { groupId } = this.#options
    const failure = toKafkaError(error, { doing: `consume in the group ${groupId}`, brokers: this.#connection.brokers })
    this.close().then(
      () => this.#handlers?.onFailed(failure),
      (closing: unknown) => {
        this.#connection.logger.debug({ component: 'kafka', error: closing }, 'closing a consumer that failed')
        this.#handlers?.onFailed(failure)
      },
    )
  }
}

function sameKeys(a: readonly TopicPartition[], b: readonly TopicPartition[]): boolean {
  const keys = new Set(a.map(partitionName))
  return keys.size === b.length && b.every((at) => keys.has(partitionName(at)))
}

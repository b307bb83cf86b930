/**
 * What Sluice asks of Kafka, and no more, so that the client library can be replaced. Partitions are always computed
 * by Sluice (`partitionOf`), never by a client's default. Every method rejects with a SluiceError of the 4xxx range.
 */
import type { Offset, TopicPartition } from '@sluice/core'

export interface OutgoingMessage {
  readonly partition: number
  readonly key: Buffer
  /** null is a tombstone. */
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  readonly timestampMs: number
}

export interface IncomingMessage {
  readonly offset: Offset
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer>>
  readonly timestampMs: number
}

/** What a send put where: `count` messages at `baseOffset` and after, without gaps between them. */
export interface SentBatch extends TopicPartition {
  readonly baseOffset: Offset
  readonly count: number
}

/** Messages of one topic, in the order in which each partition gets them. */
export interface TopicMessages {
  readonly topic: string
  readonly messages: readonly OutgoingMessage[]
}

export interface KafkaTransaction {
  /**
   * Writes messages, in order within each partition, in record batches of at most the port's byte bound. A topic may stand
   * in the list once.
   */
  send(topics: readonly TopicMessages[]): Promise<readonly SentBatch[]>
  commit(): Promise<void>
  abort(): Promise<void>
}

/**
 * Opening one fences every older producer of the same transactional id and waits until its open transaction is ended.
 * A fenced producer's calls reject with SLU-4101.
 */
export interface TransactionalProducer {
  begin(): Promise<KafkaTransaction>
  close(): Promise<void>
}

export interface ConsumerBatch extends TopicPartition {
  readonly messages: readonly IncomingMessage[]
  /** Bytes of keys and values. */
  readonly bytes: number
}

export interface ConsumerHandlers {
  /**
   * Where to begin in each partition that was assigned now, by `partitionName`. It may be read from a database: nothing is
   * fetched until the promise resolves.
   */
  readonly onAssigned: (
    partitions: readonly TopicPartition[],
  ) => ReadonlyMap<string, Offset> | Promise<ReadonlyMap<string, Offset>>
  /** The partitions are another's from now on. */
  readonly onRevoked: () => void
  /** Committed messages only. The consumer fetches on while this works; bound it with `pause`. */
  readonly onBatch: (batch: ConsumerBatch) => void
  /** The consumer can't go on; it is closed. */
  readonly onFailed: (error: Error) => void
}

/**
 * Member of a consumer group in which ONE member is assigned every partition and the others stand by, or, with
 * `assignment: 'shared'`, all share those of `topics`, and each that has some reads every partition of `everyMember` too. Never
 * commits offsets to the group by itself.
 */
export interface GroupConsumer {
  run(handlers: ConsumerHandlers): Promise<void>
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Publishes offsets to the group for people's tools; the truth is in the service database. */
  mirrorOffsets(offsets: readonly (TopicPartition & { readonly next: Offset })[]): Promise<void>
  readonly isActive: boolean
  close(): Promise<void>
}

export interface TopicSettings {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly config: Readonly<Record<string, string>>
}

export interface PartitionOffsets {
  readonly partition: number
  /** First offset that retention left. */
  readonly low: Offset
  /** End of the committed log (high watermark). */
  readonly high: Offset
}

export interface KafkaAdmin {
  cluster(): Promise<{ readonly clusterId: string; readonly brokers: number }>
  listTopics(): Promise<readonly string[]>
  /** Creates topics that are missing; returns the names of those it made. */
  createTopics(topics: readonly TopicSettings[]): Promise<readonly string[]>
  topicConfig(topic: string): Promise<Readonly<Record<string, string>>>
  /** What each broker says of one of its settings, by node id; a broker that does not name the setting is left out. */
  brokerSetting(name: string): Promise<ReadonlyMap<string, string>>
  partitionCount(topic: string): Promise<number>
  /** Of the partition that has the fewest replicas. */
  replicationFactor(topic: string): Promise<number>
  offsets(topic: string): Promise<readonly PartitionOffsets[]>
  close(): Promise<void>
}

export interface KafkaPort {
  admin(): Promise<KafkaAdmin>
  transactionalProducer(transactionalId: string): Promise<TransactionalProducer>
  groupConsumer(options: {
    readonly groupId: string
    readonly topics: readonly string[]
    readonly assignment: 'single' | 'shared'
    /** Topics that the group does not share out: each member with a partition of `topics` reads them whole. @default none */
    readonly everyMember?: readonly string[]
  }): Promise<GroupConsumer>
  /**
   * Reads committed records of one partition from an offset to its present end, without a group; ends there. Rejects with
   * SLU-5011 if retention already removed that offset. Used for the control topic at start, and by status.
   */
  readPartition(topic: string, partition: number, from: Offset): AsyncIterable<IncomingMessage>
}

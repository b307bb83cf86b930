/** The Kafka port over kafkajs. */
import { createGroupConsumer } from './group-consumer.ts'
import { openKafkaAdmin } from './kafka-admin.ts'
import type { KafkaPort } from './kafka-port.ts'
import type { KafkaConnection } from './kafkajs-client.ts'
import { DEFAULT_FETCH_LIMITS, type FetchLimits } from './partition-fetch.ts'
import { readPartitionToEnd } from './partition-reader.ts'
import { openTransactionalProducer } from './transactional-producer.ts'

export interface KafkaLimits extends FetchLimits {
  /** Bound of a record batch of one partition, bytes. @default 921600 */
  readonly batchBytesMax: number
  /** The broker ends a transaction that stays open for longer. @default 30000 */
  readonly transactionTimeoutMs: number
  /** A consumer that sends no heartbeat for this long loses its partitions. @default 6000 */
  readonly sessionTimeoutMs: number
  /** How long Kafka may be away before a consumer gives up with SLU-4001. @default 30000 */
  readonly unreachableMs: number
}

export const DEFAULT_KAFKA_LIMITS: KafkaLimits = {
  ...DEFAULT_FETCH_LIMITS,
  batchBytesMax: 900 * 1024,
  transactionTimeoutMs: 30_000,
  sessionTimeoutMs: 6_000,
  unreachableMs: 30_000,
}

export interface KafkaOptions extends KafkaConnection {
  readonly limits?: Partial<KafkaLimits>
}

/** Opens nothing by itself: every part of the port makes its own connections. */
export function createKafka(options: KafkaOptions): KafkaPort {
  const limits = { ...DEFAULT_KAFKA_LIMITS, ...options.limits }
  return {
    admin: () => openKafkaAdmin(options),
    transactionalProducer: (transactionalId) => openTransactionalProducer(options, transactionalId, limits),
    groupConsumer: (group) => Promise.resolve(createGroupConsumer(options, group, limits)),
    readPartition: (topic, partition, from) => readPartitionToEnd(options, topic, partition, from),
  }
}

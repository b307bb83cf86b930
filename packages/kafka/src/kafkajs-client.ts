/** One kafkajs client, with its log lines sent to Sluice's logger. */
import type { Logger } from '@sluice/core'
import kafkajs, { type Cluster, type Kafka, type KafkaConfig, type RetryOptions } from 'kafkajs'
import { mendClock } from './kafkajs-clock.ts'
import { mendIdleTimer } from './kafkajs-idle-timer.ts'

export interface KafkaConnection {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly ssl?: KafkaConfig['ssl']
  readonly sasl?: KafkaConfig['sasl']
  readonly logger: Logger
}

/** Milliseconds. A connection attempt is given up after this; the cluster's retries come on top. */
const CONNECTION_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 30_000

export function kafkajsClient(connection: KafkaConnection, retry: RetryOptions): Kafka {
  const { brokers, clientId, ssl, sasl, logger } = connection
  mendClock()
  mendIdleTimer()
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry,
    logLevel: kafkajs.logLevel.INFO,
    // kafkajs logs as errors what it then retries: what matters reaches the caller as an error. Its texts stay at debug.
    logCreator:
      () =>
      ({ namespace, label, log: { message } }) => {
        logger.debug({ component: 'kafkajs', namespace, label }, message)
      },
  })
}

/**
 * Low-level access to brokers: metadata, leaders and fetch requests without a consumer group, which kafkajs offers to
 * partition assigners only. The consumer that gives it away is never run.
 */
export function lowLevelCluster(kafka: Kafka): Cluster {
  let found: Cluster | undefined
  kafka.consumer({
    groupId: 'sluice-low-level',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster
        return kafkajs.PartitionAssigners.roundRobin({ cluster, groupId: '', logger: kafka.logger() })
      },
    ],
  })
  if (found === undefined) throw new Error('kafkajs did not create its partition assigners')
  return found
}

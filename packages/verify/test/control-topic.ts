/** A Kafka port that has nothing but one record of a control topic. */
import { type ControlRecord, formatControlRecord, offsetOf } from '@sluice/core'
import type { IncomingMessage, KafkaPort } from '@sluice/kafka'

export function controlTopicWith(record: ControlRecord): KafkaPort {
  const unused = (): never => {
    throw new Error('verify only reads')
  }
  return {
    admin: async () => ({
      cluster: unused,
      listTopics: unused,
      createTopics: unused,
      topicConfig: unused,
      brokerSetting: unused,
      partitionCount: unused,
      replicationFactor: unused,
      offsets: async () => [{ partition: 0, low: offsetOf(0), high: offsetOf(2) }],
      close: async () => undefined,
    }),
    transactionalProducer: unused,
    groupConsumer: unused,
    readPartition: async function* (): AsyncGenerator<IncomingMessage, void> {
      yield await Promise.resolve({
        offset: offsetOf(0),
        key: Buffer.from(record.laneName),
        value: Buffer.from(formatControlRecord(record)),
        headers: {},
        timestampMs: 0,
      })
    },
  }
}

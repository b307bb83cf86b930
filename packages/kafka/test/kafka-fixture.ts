/** Topics and clients for the tests of the Kafka adapter, on the shared broker. */
import { randomUUID } from 'node:crypto'
import { type Offset, type TopicPartition, offsetOf, partitionName, silentLogger } from '@sluice/core'
import { type GroupConsumer, type IncomingMessage, type KafkaOptions, type KafkaPort, type OutgoingMessage } from '@sluice/kafka'

export function testKafkaOptions(): KafkaOptions {
  const brokers = process.env['SLUICE_TEST_KAFKA_BROKERS']
  if (brokers === undefined) throw new Error('SLUICE_TEST_KAFKA_BROKERS is not set: run by the integration project of vitest')
  return { brokers: brokers.split(','), clientId: 'sluice-test', logger: silentLogger }
}

export async function createTopic(kafka: KafkaPort, partitions = 1, config: Record<string, string> = {}): Promise<string> {
  const name = `sluice.test.${randomUUID()}`
  const admin = await kafka.admin()
  await admin.createTopics([{ name, partitions, replicationFactor: 1, config }])
  await admin.close()
  return name
}

/** Publishes texts in one transaction, and returns when its end is in the log: the next producer waits for that. */
export async function publish(
  kafka: KafkaPort,
  topic: string,
  texts: readonly string[],
  end: 'commit' | 'abort' = 'commit',
): Promise<void> {
  const producer = await kafka.transactionalProducer(`publish-${topic}`)
  const transaction = await producer.begin()
  await transaction.send([{ topic, messages: texts.map((text) => message(text)) }])
  await transaction[end]()
  const next = await kafka.transactionalProducer(`publish-${topic}`)
  await Promise.all([producer.close(), next.close()])
}

export function message(text: string, partition = 0): OutgoingMessage {
  return { partition, key: Buffer.from('k'), value: Buffer.from(text), headers: {}, timestampMs: Date.now() }
}

export async function readAll(kafka: KafkaPort, topic: string, partition = 0, from = 0): Promise<readonly IncomingMessage[]> {
  const messages: IncomingMessage[] = []
  for await (const m of kafka.readPartition(topic, partition, offsetOf(from))) messages.push(m)
  return messages
}

export function textsOf(messages: readonly IncomingMessage[]): readonly string[] {
  return messages.map((m) => m.value?.toString() ?? '')
}

/** A member that notes what happens to it and lets a test wait for it. */
export class WatchedMember {
  readonly texts: string[] = []
  readonly history: string[] = []
  readonly consumer: GroupConsumer
  failure: Error | undefined
  readonly #begin: (at: TopicPartition) => Offset | Promise<Offset>
  #changed = Promise.withResolvers<undefined>()

  constructor(consumer: GroupConsumer, begin: (at: TopicPartition) => Offset | Promise<Offset>) {
    this.consumer = consumer
    this.#begin = begin
  }

  static async join(
    kafka: KafkaPort,
    groupId: string,
    topic: string,
    begin: (at: TopicPartition) => Offset | Promise<Offset> = () => offsetOf(0),
  ): Promise<WatchedMember> {
    const member = new WatchedMember(await kafka.groupConsumer({ groupId, topics: [topic], assignment: 'single' }), begin)
    await member.consumer.run({
      onAssigned: async (partitions) => {
        member.#note(`assigned ${partitions.length}`)
        return new Map(await Promise.all(partitions.map(async (at) => [partitionName(at), await member.#begin(at)] as const)))
      },
      onRevoked: () => member.#note('revoked'),
      onBatch: (batch) => {
        member.texts.push(...textsOf(batch.messages))
        member.#wake()
      },
      onFailed: (error) => {
        member.failure = error
        member.#note('failed')
      },
    })
    return member
  }

  /** @throws what the consumer failed with before */
  async until(condition: (member: WatchedMember) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.failure) throw this.failure
      await this.#changed.promise
    }
  }

  #note(event: string): void {
    this.history.push(event)
    this.#wake()
  }

  #wake(): void {
    this.#changed.resolve(undefined)
    this.#changed = Promise.withResolvers<undefined>()
  }
}

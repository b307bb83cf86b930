/** Topics, their settings and ends. */
import { SluiceError, offsetOf } from '@sluice/core'
import kafkajs, { type Admin, type PartitionMetadata } from 'kafkajs'
import { toKafkaError } from './kafka-error.ts'
import type { KafkaAdmin, PartitionOffsets, TopicSettings } from './kafka-port.ts'
import { type KafkaConnection, kafkajsClient } from './kafkajs-client.ts'
import { untilLed } from './leader-wait.ts'

const RETRY = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 6 }
const CREATE_TIMEOUT_MS = 15_000

export async function openKafkaAdmin(connection: KafkaConnection): Promise<KafkaAdmin> {
  const admin = kafkajsClient(connection, RETRY).admin()
  const guard = async <T>(doing: string, work: () => Promise<T>, topic?: string): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw toKafkaError(error, { doing, brokers: connection.brokers, ...(topic === undefined ? {} : { topic }) })
    }
  }
  await guard('reach Kafka', () => admin.connect())
  return {
    cluster: () =>
      guard('describe the cluster', async () => {
        const { clusterId, brokers } = await admin.describeCluster()
        return { clusterId, brokers: brokers.length }
      }),
    listTopics: () => guard('list the topics', () => admin.listTopics()),
    createTopics: (topics) => guard('create topics', () => createMissing(admin, topics)),
    topicConfig: (topic) => guard(`describe topic ${topic}`, () => topicConfig(admin, topic), topic),
    brokerSetting: (name) => guard(`read the setting ${name} of the brokers`, () => brokerSetting(admin, name)),
    partitionCount: (topic) => guard(`describe topic ${topic}`, () => partitionCount(admin, topic), topic),
    replicationFactor: (topic) =>
      guard(
        `describe topic ${topic}`,
        async () => Math.min(...(await partitionsOf(admin, topic)).map(({ replicas }) => replicas.length)),
        topic,
      ),
    offsets: (topic) => guard(`read the ends of topic ${topic}`, () => partitionEnds(connection, admin, topic), topic),
    close: () => guard('close the connection to Kafka', () => admin.disconnect()),
  }
}

async function createMissing(admin: Admin, topics: readonly TopicSettings[]): Promise<readonly string[]> {
  const existing = new Set(await admin.listTopics())
  const missing = topics.filter((t) => !existing.has(t.name))
  if (missing.length === 0) return []
  await admin.createTopics({
    waitForLeaders: true,
    timeout: CREATE_TIMEOUT_MS,
    topics: missing.map((t) => ({
      topic: t.name,
      numPartitions: t.partitions,
      replicationFactor: t.replicationFactor,
      configEntries: Object.entries(t.config).map(([name, value]) => ({ name, value })),
    })),
  })
  return missing.map((t) => t.name)
}

async function topicConfig(admin: Admin, topic: string): Promise<Readonly<Record<string, string>>> {
  await partitionCount(admin, topic)
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  })
  return Object.fromEntries((resources[0]?.configEntries ?? []).map((e) => [e.configName, e.configValue]))
}

/** https://kafka.apache.org/protocol#The_Messages_DescribeConfigs: a broker answers for itself only. */
async function brokerSetting(admin: Admin, name: string): Promise<ReadonlyMap<string, string>> {
  const { brokers } = await admin.describeCluster()
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: brokers.map(({ nodeId }) => ({
      type: kafkajs.ConfigResourceTypes.BROKER,
      name: String(nodeId),
      configNames: [name],
    })),
  })
  return new Map(
    resources.flatMap(({ resourceName, configEntries }) =>
      configEntries.filter((entry) => entry.configName === name).map((entry) => [resourceName, entry.configValue] as const),
    ),
  )
}

async function partitionCount(admin: Admin, topic: string): Promise<number> {
  return (await partitionsOf(admin, topic)).length
}

async function partitionsOf(admin: Admin, topic: string): Promise<readonly PartitionMetadata[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const found = topics.find((t) => t.name === topic)
  if (found && found.partitions.length > 0) return found.partitions
  throw new SluiceError('TOPIC_MISSING', {
    what: `topic ${topic} does not exist`,
    why: 'the metadata of the cluster do not list it',
    ways: ['sluice provision    creates the topics of the system'],
  })
}

async function partitionEnds(connection: KafkaConnection, admin: Admin, topic: string): Promise<readonly PartitionOffsets[]> {
  const ends = await untilLed((attempt) =>
    attempt === 1 ? admin.fetchTopicOffsets(topic) : withNewAdmin(connection, (again) => again.fetchTopicOffsets(topic)),
  )
  return ends.map(({ partition, low, high }) => ({ partition, low: offsetOf(low), high: offsetOf(high) }))
}

/** A new connection begins with new metadata, which an open one does not ask for. */
async function withNewAdmin<Result>(connection: KafkaConnection, work: (admin: Admin) => Promise<Result>): Promise<Result> {
  const admin = kafkajsClient(connection, RETRY).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

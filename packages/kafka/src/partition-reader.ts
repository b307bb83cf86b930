/** Reads one partition from an offset to its present end, without a consumer group. */
import { type Offset, SluiceError } from '@sluice/core'
import type { Cluster } from 'kafkajs'
import { toKafkaError } from './kafka-error.ts'
import type { IncomingMessage } from './kafka-port.ts'
import { type KafkaConnection, kafkajsClient, lowLevelCluster } from './kafkajs-client.ts'
import { untilLed } from './leader-wait.ts'
import { DEFAULT_FETCH_LIMITS, fetchFrom, leaderOf } from './partition-fetch.ts'

/** Each waits for `waitMs` at most. */
const EMPTY_ANSWERS_MAX = 20

const RETRY = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 6 }

export async function* readPartitionToEnd(
  connection: KafkaConnection,
  topic: string,
  partition: number,
  from: Offset,
): AsyncGenerator<IncomingMessage> {
  const cluster = lowLevelCluster(kafkajsClient(connection, RETRY))
  try {
    await cluster.connect()
    await cluster.addTargetTopic(topic)
    yield* readToEnd(cluster, topic, partition, from)
  } catch (error) {
    throw toKafkaError(error, { doing: `read topic ${topic}`, brokers: connection.brokers, topic })
  } finally {
    await cluster.disconnect()
  }
}

/** The end is the last stable offset of the first answer: what is written meanwhile is not waited for. */
async function* readToEnd(cluster: Cluster, topic: string, partition: number, from: Offset): AsyncGenerator<IncomingMessage> {
  let end: Offset | undefined
  let emptyAnswers = 0
  for (let offset = from; end === undefined || offset < end;) {
    const at = { topic, partition, offset }
    const [fetched] = await untilLed(async (attempt) => {
      if (attempt > 1) await cluster.refreshMetadata()
      const nodeId = leaderOf(cluster, at)
      if (nodeId === undefined) throw partitionMissing(topic, partition)
      return fetchFrom(cluster, nodeId, [at], DEFAULT_FETCH_LIMITS)
    })
    if (fetched === undefined) throw partitionMissing(topic, partition)
    end ??= fetched.stableEnd
    for (const message of fetched.messages) {
      if (message.offset >= end) return
      yield message
    }
    emptyAnswers = fetched.next === null ? emptyAnswers + 1 : 0
    if (emptyAnswers > EMPTY_ANSWERS_MAX) throw stuck(topic, partition, offset, end)
    offset = fetched.next ?? offset
  }
}

function stuck(topic: string, partition: number, offset: Offset, end: Offset): SluiceError {
  return new SluiceError('KAFKA_FAILED', {
    what: `topic ${topic}, partition ${partition} can not be read to its end`,
    why: `the broker answers with nothing at offset ${offset}, and says that the end is ${end}`,
    ways: ['sluice doctor    checks broker, topics and privileges'],
  })
}

function partitionMissing(topic: string, partition: number): SluiceError {
  return new SluiceError('TOPIC_MISSING', {
    what: `topic ${topic} has no partition ${partition}`,
    why: 'the metadata of the cluster do not list it',
    ways: ['sluice provision    creates the topics of the system'],
  })
}

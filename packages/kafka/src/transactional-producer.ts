/**
 * The transactional producer over kafkajs.
 *
 * States: open → (begin) in transaction → (commit | abort) open → closed. Any error leaves it unusable: whether a commit
 * arrived is then not known, and only a new producer, which fences this one, may go on from what the control topic says.
 */
import { type Offset, SluiceError, offsetOf } from '@sluice/core'
import type { Message, Producer, RecordMetadata, Transaction } from 'kafkajs'
import { type KafkaErrorContext, isFenced, toKafkaError } from './kafka-error.ts'
import { type KafkaConnection, kafkajsClient } from './kafkajs-client.ts'
import type { KafkaTransaction, SentBatch, TransactionalProducer } from './kafka-port.ts'
import { type PartitionBatch, batchRounds } from './record-batches.ts'

export interface ProducerLimits {
  /** Bound of a record batch of one partition, bytes. @default 921600 */
  readonly batchBytesMax: number
  /** The broker ends a transaction that stays open for longer. @default 30000 */
  readonly transactionTimeoutMs: number
}

/**
 * The default first retry of kafkajs (300 ms) makes small transactions slow: Kafka answers CONCURRENT_TRANSACTIONS for some
 * milliseconds after each commit. Doubled delays would overshoot that by as much again; these sum up to about 5 s.
 */
const RETRY = { initialRetryTime: 2, multiplier: 1.3, factor: 0.2, maxRetryTime: 500, retries: 26 }

export async function openTransactionalProducer(
  connection: KafkaConnection,
  transactionalId: string,
  limits: ProducerLimits,
): Promise<TransactionalProducer> {
  const kafka = kafkajsClient(connection, RETRY)
  const producer = kafka.producer({
    transactionalId,
    transactionTimeout: limits.transactionTimeoutMs,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: () => explicitPartition,
    retry: RETRY,
  })
  const context: KafkaErrorContext = { doing: `open the producer ${transactionalId}`, brokers: connection.brokers }
  try {
    await producer.connect()
    // The first transaction asks Kafka for an epoch of its own: this is what fences. Ended empty, it sends nothing.
    await (await producer.transaction()).abort()
  } catch (error) {
    await closeQuietly(producer, connection)
    throw toKafkaError(error, context)
  }
  return {
    begin: async () => {
      try {
        return kafkaTransaction(await producer.transaction(), connection, limits)
      } catch (error) {
        throw toKafkaError(error, { ...context, doing: 'begin a Kafka transaction' })
      }
    },
    close: () => closeQuietly(producer, connection),
  }
}

function kafkaTransaction(transaction: Transaction, connection: KafkaConnection, limits: ProducerLimits): KafkaTransaction {
  const startedAt = performance.now()
  const guard = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw transactionError(error, { doing, brokers: connection.brokers }, performance.now() - startedAt, limits)
    }
  }
  return {
    send: (topics) =>
      guard('publish to Kafka', async () => {
        const sent: SentBatch[] = []
        for (const round of batchRounds(topics, limits.batchBytesMax)) {
          sent.push(...(await sendRound(transaction, round, connection)))
        }
        return sent
      }),
    commit: () => guard('commit a Kafka transaction', () => transaction.commit()),
    abort: () => guard('abort a Kafka transaction', () => transaction.abort()),
  }
}

async function sendRound(
  transaction: Transaction,
  round: readonly PartitionBatch[],
  connection: KafkaConnection,
): Promise<readonly SentBatch[]> {
  const topics = new Map<string, PartitionBatch[]>()
  for (const batch of round) {
    const list = topics.get(batch.topic)
    if (list) list.push(batch)
    else topics.set(batch.topic, [batch])
  }
  const answers = await sendTopics(transaction, topics, connection)
  const bases = new Map(answers.map((a) => [`${a.topicName}/${a.partition}`, a.baseOffset]))
  return round.map(({ topic, partition, messages }) => ({
    topic,
    partition,
    baseOffset: baseOffset(bases.get(`${topic}/${partition}`), topic, partition),
    count: messages.length,
  }))
}

async function sendTopics(
  transaction: Transaction,
  topics: ReadonlyMap<string, readonly PartitionBatch[]>,
  connection: KafkaConnection,
): Promise<readonly RecordMetadata[]> {
  try {
    return await transaction.sendBatch({
      acks: -1,
      topicMessages: [...topics].map(([topic, batches]) => ({ topic, messages: new GroupedMessages(batches) })),
    })
  } catch (error) {
    const [first] = topics.keys()
    const only = topics.size === 1 && first !== undefined ? { topic: first } : {}
    throw toKafkaError(error, { doing: 'publish to Kafka', brokers: connection.brokers, ...only })
  }
}

function baseOffset(text: string | undefined, topic: string, partition: number): Offset {
  if (text !== undefined && /^\d+$/.test(text)) return offsetOf(text)
  throw new SluiceError('KAFKA_FAILED', {
    what: `Kafka did not say where it put messages of ${topic}`,
    why: `the answer for partition ${partition} has base offset ${text ?? 'none'}`,
    ways: ['sluice doctor    checks broker, topics and privileges'],
  })
}

/** The broker ends a transaction that is open for too long in the same words as one whose producer was fenced. */
function transactionError(error: unknown, context: KafkaErrorContext, openMs: number, limits: ProducerLimits): SluiceError {
  if (!isFenced(error) || openMs < limits.transactionTimeoutMs) return toKafkaError(error, context)
  return new SluiceError('KAFKA_FAILED', {
    what: `can not ${context.doing}`,
    why: `the transaction was open for ${Math.round(openMs)} ms and Kafka ends one after ${limits.transactionTimeoutMs} ms`,
    ways: ['nothing is lost: the relay goes on from its last control record'],
    cause: error,
  })
}

const explicitPartition = ({ message }: { message: Message }): number => {
  if (message.partition === undefined) throw new Error('a message has no partition')
  return message.partition
}

/**
 * The messages of a topic, already grouped by partition. kafkajs groups with `reduce`, and copies a partition's list for
 * each message it adds, which is quadratic: for batches of thousands that is most of a send's time. Its `reduce` is
 * answered with the groups that are here already; as a plain array it holds the same messages.
 */
class GroupedMessages extends Array<Message> {
  readonly #groups: Readonly<Record<number, readonly Message[]>>

  constructor(batches: readonly PartitionBatch[]) {
    super()
    const groups: Record<number, Message[]> = {}
    for (const { partition, messages } of batches) groups[partition] = messages.map(toKafkajsMessage)
    this.#groups = groups
    for (const group of Object.values(groups)) for (const message of group) this.push(message)
  }

  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  override reduce<U>(): U {
    return this.#groups as U
  }
}

function toKafkajsMessage({ partition, key, value, headers, timestampMs }: PartitionBatch['messages'][number]): Message {
  return { partition, key, value, headers, timestamp: String(timestampMs) }
}

async function closeQuietly(producer: Producer, connection: KafkaConnection): Promise<void> {
  try {
    await producer.disconnect()
  } catch (error) {
    connection.logger.debug({ component: 'kafka', error }, 'closing a producer failed; its connections are gone')
  }
}

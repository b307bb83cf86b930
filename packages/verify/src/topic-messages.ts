/** The messages of a topic in the order of their positions, over all partitions; memory is bounded by one fetched part of each partition. */
import { type Offset, isSluiceError } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import type { ProjectedEvent } from '@sluice/system'

/** Decodes the value of a message, as the services of the system do. */
export interface MessageDecoder {
  /** @throws SluiceError SLU-4204 if the value is no event of the system */
  decode(value: Buffer): ProjectedEvent | Promise<ProjectedEvent>
}

export interface TopicMessage {
  readonly partition: number
  readonly offset: Offset
  /** Null for what is no event of the system. */
  readonly event: Pick<ProjectedEvent, 'eventId' | 'lane' | 'position' | 'version'> | null
}

export interface PartitionRange {
  readonly partition: number
  readonly low: Offset
}

/** Committed messages of a partition to its present end, without tombstones. */
export async function* partitionMessages(
  kafka: Pick<KafkaPort, 'readPartition'>,
  decoder: MessageDecoder,
  topic: string,
  { partition, low }: PartitionRange,
): AsyncGenerator<TopicMessage, undefined> {
  for await (const { offset, value } of kafka.readPartition(topic, partition, low)) {
    if (value !== null) yield { partition, offset, event: await eventOf(decoder, value) }
  }
}

async function eventOf(decoder: MessageDecoder, value: Buffer): Promise<TopicMessage['event']> {
  try {
    return await decoder.decode(value)
  } catch (error) {
    if (isSluiceError(error, 'EVENT_NOT_DECODABLE')) return null
    throw error
  }
}

/** A partition, and the message that it has next. */
export interface PartitionHead {
  readonly rest: AsyncIterator<TopicMessage, unknown>
  readonly message: TopicMessage
}

/** Always the message with the lowest position of all heads; what is no event comes at once. */
export async function* inPositionOrder(heads: readonly PartitionHead[]): AsyncGenerator<TopicMessage, undefined> {
  const open = [...heads]
  while (open.length > 0) {
    let first = 0
    for (let i = 1; i < open.length; i++) if (placeOf(open[i]!) < placeOf(open[first]!)) first = i
    const head = open[first]!
    yield head.message
    const next = await head.rest.next()
    if (next.done === true) open.splice(first, 1)
    else open[first] = { rest: head.rest, message: next.value }
  }
}

function placeOf({ message }: PartitionHead): bigint {
  return message.event?.position ?? -1n
}

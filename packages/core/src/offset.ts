/** A place in a Kafka partition. Transactions leave control records there, so offsets have gaps. */
export type Offset = bigint & { readonly __brand: 'Offset' }

export function offsetOf(value: bigint | string | number): Offset {
  const offset = BigInt(value)
  if (offset < 0n) throw new RangeError(`not an offset: ${value}`)
  return offset as Offset
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** `topic/partition`: the key of maps over partitions, and their name in messages. */
export function partitionName(place: TopicPartition): string {
  return `${place.topic}/${place.partition}`
}

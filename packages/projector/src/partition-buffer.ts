/** Messages of one data partition that were received and not yet taken, in offset order. */
import { type Offset, type TopicPartition, offsetOf } from '@sluice/core'

export interface BufferedMessage {
  readonly offset: Offset
  readonly value: Buffer
}

export class PartitionBuffer implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** Everything below was received. */
  receivedNext: Offset
  /** Everything below was applied before this buffer began. */
  readonly consumedNext: Offset
  /** Events taken since the lane's epoch began: compared with the count in the control records. */
  takenEvents: bigint
  isPaused = false
  bytes = 0
  #messages: BufferedMessage[] = []
  #head = 0

  constructor(place: TopicPartition, start: { readonly next: Offset; readonly events: bigint; readonly consumed?: Offset }) {
    this.consumedNext = start.consumed ?? start.next
    this.topic = place.topic
    this.partition = place.partition
    this.receivedNext = start.next
    this.takenEvents = start.events
  }

  /** Adds what was not received before. A tombstone is no event: it only moves the offset. */
  receive(messages: readonly { readonly offset: Offset; readonly value: Buffer | null }[]): void {
    for (const { offset, value } of messages) {
      if (offset < this.receivedNext) continue
      this.receivedNext = offsetOf(offset + 1n)
      if (value === null) continue
      this.#messages.push({ offset, value })
      this.bytes += value.length
    }
  }

  /** How many messages, and bytes, lie below an offset, from the `skip`-th message on. */
  measure(end: Offset, skip: number): { readonly count: number; readonly bytes: number } {
    let count = 0
    let bytes = 0
    for (let i = this.#head + skip; i < this.#messages.length && this.#messages[i]!.offset < end; i++) {
      count += 1
      bytes += this.#messages[i]!.value.length
    }
    return { count, bytes }
  }

  /** Takes all messages below an offset. */
  take(end: Offset): readonly BufferedMessage[] {
    const { count, bytes } = this.measure(end, 0)
    const taken = this.#messages.slice(this.#head, this.#head + count)
    this.#drop(count, bytes)
    this.takenEvents += BigInt(count)
    return taken
  }

  #drop(count: number, bytes: number): void {
    this.bytes -= bytes
    this.#head += count
    // The array is cut only when most of it is used up, so that taking stays cheap.
    if (this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
  }
}

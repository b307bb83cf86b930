/**
 * Where each partition's log ends, so that the place of the next messages is known before they are sent: then the control record,
 * which names it, goes with them in one request.
 *
 * The relay is the only writer of its partitions, and each of its transactions, committed or aborted, leaves one marker in every
 * partition that it wrote to (https://kafka.apache.org/documentation/#semantics). Still every answer of Kafka is compared with what was
 * expected, and learned from: a request that a client sent twice, or a foreign writer, must not end in a control record.
 */
import { offsetOf, partitionName } from '@sluice/core'
import type { KafkaAdmin, SentBatch, TopicMessages } from '@sluice/kafka'

const MARKER = 1n

export class LogEnds {
  readonly #next = new Map<string, bigint>()
  /** Partitions that the open transaction wrote to. */
  readonly #written = new Set<string>()

  /**
   * Call when the producer is open: then the transaction that a relay before this one left behind is ended.
   *
   * @throws SluiceError of the 4xxx range
   */
  static async read(admin: Pick<KafkaAdmin, 'offsets'>, topics: readonly string[]): Promise<LogEnds> {
    const ends = new LogEnds()
    for (const topic of topics) {
      for (const { partition, high } of await admin.offsets(topic)) ends.#next.set(partitionName({ topic, partition }), high)
    }
    return ends
  }

  /** One batch a partition. */
  expect(topics: readonly TopicMessages[]): readonly SentBatch[] {
    return topics.flatMap(({ topic, messages }) => {
      const counts = new Map<number, number>()
      for (const { partition } of messages) counts.set(partition, (counts.get(partition) ?? 0) + 1)
      return [...counts].map(([partition, count]) => {
        const baseOffset = offsetOf(this.#next.get(partitionName({ topic, partition })) ?? 0n)
        return { topic, partition, baseOffset, count }
      })
    })
  }

  /** Takes in what Kafka answered. @returns true if every message is where it was expected */
  sent(expected: readonly SentBatch[], answered: readonly SentBatch[]): boolean {
    let isExact = true
    for (const batch of answered) {
      const name = partitionName(batch)
      if (expected.some((e) => partitionName(e) === name) && (this.#next.get(name) ?? 0n) !== batch.baseOffset) isExact = false
      this.#next.set(name, batch.baseOffset + BigInt(batch.count))
      this.#written.add(name)
    }
    return isExact && expected.every((e) => this.#next.get(partitionName(e)) === e.baseOffset + BigInt(e.count))
  }

  /** The open transaction was committed or aborted. */
  ended(): void {
    for (const name of this.#written) this.#next.set(name, this.#next.get(name)! + MARKER)
    this.#written.clear()
  }
}

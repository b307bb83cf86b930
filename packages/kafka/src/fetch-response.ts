/**
 * What a broker answered to a fetch: kafkajs decodes it but types it as `any`, so it is read here field by field. Messages of
 * aborted transactions and control markers are left out; `next` counts them, so that a reader passes them.
 *
 * https://kafka.apache.org/protocol#The_Messages_Fetch
 */
import { type Offset, type TopicPartition, offsetOf } from '@sluice/core'
import type { IncomingMessage } from './kafka-port.ts'

export interface FetchedPartition extends TopicPartition {
  /** Committed messages from the asked offset on. */
  readonly messages: readonly IncomingMessage[]
  /** Bytes of their keys and values. */
  readonly bytes: number
  /**
   * Where to fetch next; null if the answer held no record. That does not mean that there is none, even where `stableEnd` is
   * beyond: a broker may answer with an end that moved while it read.
   */
  readonly next: Offset | null
  /** End of what is committed, or aborted: the last stable offset. */
  readonly stableEnd: Offset
}

const NO_RECORDS: readonly unknown[] = []
/** Key of the marker that ends an aborted transaction: version 0, type 0. */
const ABORT_MARKER = Buffer.from([0, 0, 0, 0])

/**
 * @param from The offset that was asked for in a partition; brokers answer with whole record batches, which may begin before it.
 * @throws TypeError if the answer is none of a fetch
 */
export function readFetchResponse(response: unknown, from: (at: TopicPartition) => Offset): readonly FetchedPartition[] {
  return list(field(response, 'responses')).flatMap((topicAnswer) => {
    const topic = text(topicAnswer, 'topicName')
    return list(field(topicAnswer, 'partitions')).map((answer) => {
      const at = { topic, partition: number(answer, 'partition') }
      return readPartition(at, answer, from(at))
    })
  })
}

function readPartition(at: TopicPartition, answer: unknown, from: Offset): FetchedPartition {
  const stableEnd = offsetOf(text(answer, 'lastStableOffset'))
  const records = list(field(answer, 'messages') ?? NO_RECORDS)
  const aborted = list(field(answer, 'abortedTransactions') ?? NO_RECORDS).map((a) => ({
    producer: text(a, 'producerId'),
    first: BigInt(text(a, 'firstOffset')),
  }))
  const messages: IncomingMessage[] = []
  const isAborted = aborted.length === 0 ? () => false : abortedFilter(aborted)
  let bytes = 0
  for (const record of records) {
    const offset = offsetOf(text(record, 'offset'))
    const isControl = field(record, 'isControlRecord') === true
    if (isAborted(record, offset, isControl) || isControl || offset < from) continue
    const message = readMessage(record, offset)
    bytes += (message.key?.length ?? 0) + (message.value?.length ?? 0)
    messages.push(message)
  }
  const last = records.at(-1)
  return { ...at, messages, bytes, stableEnd, next: last === undefined ? null : endOfBatch(last, from) }
}

/**
 * Tells whether a record belongs to an aborted transaction. The list is in order of first offsets; several producers may have
 * one open, and a fetch may begin inside of them.
 */
function abortedFilter(
  transactions: readonly { readonly producer: string; readonly first: bigint }[],
): (record: unknown, offset: bigint, isControl: boolean) => boolean {
  const waiting = [...transactions].sort((a, b) => (a.first < b.first ? -1 : 1))
  const open = new Set<string>()
  return (record, offset, isControl) => {
    for (let next = waiting[0]; next && next.first <= offset; next = waiting[0]) {
      open.add(next.producer)
      waiting.shift()
    }
    const batch = field(record, 'batchContext')
    const producer = text(batch, 'producerId')
    if (isControl) {
      const key = field(record, 'key')
      if (Buffer.isBuffer(key) && key.equals(ABORT_MARKER)) open.delete(producer)
      return false
    }
    return open.has(producer) && field(batch, 'inTransaction') === true
  }
}

/** The offset after the last record's batch; compaction may have removed records at a batch's end. */
function endOfBatch(record: unknown, from: Offset): Offset {
  const batch = field(record, 'batchContext')
  const end = BigInt(text(batch, 'firstOffset')) + BigInt(number(batch, 'lastOffsetDelta')) + 1n
  return end > from ? offsetOf(end) : offsetOf(from + 1n)
}

function readMessage(record: unknown, offset: Offset): IncomingMessage {
  return {
    offset,
    key: bufferOrNull(record, 'key'),
    value: bufferOrNull(record, 'value'),
    headers: readHeaders(field(record, 'headers')),
    timestampMs: Number(text(record, 'timestamp')),
  }
}

/** A header that stands more than once comes as a list; the last one counts. */
function readHeaders(headers: unknown): Record<string, Buffer> {
  const read: Record<string, Buffer> = {}
  if (typeof headers !== 'object' || headers === null) return read
  for (const [name, value] of Object.entries(headers)) {
    const last: unknown = Array.isArray(value) ? value.at(-1) : value
    if (Buffer.isBuffer(last)) read[name] = last
  }
  return read
}

function field(of: unknown, name: string): unknown {
  if (typeof of !== 'object' || of === null) throw new TypeError(`a fetch answer has no ${name}`)
  return Reflect.get(of, name)
}

function text(of: unknown, name: string): string {
  const value = field(of, name)
  if (typeof value !== 'string') throw new TypeError(`${name} of a fetch answer is not a text`)
  return value
}

function number(of: unknown, name: string): number {
  const value = field(of, name)
  if (typeof value !== 'number') throw new TypeError(`${name} of a fetch answer is not a number`)
  return value
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('a fetch answer lacks a list')
  return value
}

function bufferOrNull(of: unknown, name: string): Buffer | null {
  const value = field(of, name)
  return Buffer.isBuffer(value) ? value : null
}

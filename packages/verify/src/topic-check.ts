/**
 * Compares what a topic holds with the event store: every event that was published is in it once, in the order of positions, under its
 * version. Messages are read, not counted by offsets: transactions leave control records and aborted messages there, which take offsets.
 *
 * Of a truncate, which is in every partition, the first message counts. Events that the relay had parked and published later come behind
 * their successors: they are found by their ids. Where retention removed messages, what is left of all partitions is compared.
 */
import { type LaneId, ascending, isSluiceError } from '@sluice/core'
import type { KafkaAdmin, KafkaPort } from '@sluice/kafka'
import type { LaneDefinition } from '@sluice/system'
import { DifferenceTally } from './difference-tally.ts'
import { mergeOrdered } from './merge-ordered.ts'
import type { AskStore } from './object-event.ts'
import {
  type MessageDecoder,
  type PartitionHead,
  type TopicMessage,
  inPositionOrder,
  partitionMessages,
} from './topic-messages.ts'
import type { TopicReport } from './verify-report.ts'

export interface TopicCheckOptions {
  readonly ask: AskStore
  readonly kafka: KafkaPort
  readonly admin: Pick<KafkaAdmin, 'offsets' | 'topicConfig'>
  readonly decoder: MessageDecoder
  readonly lane: LaneDefinition
  readonly laneId: LaneId
  readonly topic: string
  /** All up to here is published, or parked at the relay. */
  readonly through: bigint
  /** Retention of the store removed the events up to here; 0 for none. */
  readonly storeBegins: bigint
  readonly onMessages: (messages: number) => void
  readonly signal: AbortSignal
}

const PAGE_EVENTS = 20_000
/** Messages between two signs of progress. */
const STEP = 1_000
/** Ids that are held of messages out of order, and of missing ones. */
const HELD_MAX = 10_000

interface PublishedEvent {
  readonly position: bigint
  readonly eventId: string
  readonly version: number
}

/** @throws SluiceError SLU-4001 to SLU-4003 of Kafka, SLU-4201 of the registry; the signal's reason if it aborts */
export async function checkTopic(options: TopicCheckOptions): Promise<TopicReport> {
  return new TopicCheck(options, await relayIds(options.ask, options.laneId)).run()
}

/** Events that are not in the topic, or not in their place. */
interface RelayIds {
  readonly parked: ReadonlySet<string>
  readonly publishedLate: ReadonlySet<string>
}

async function relayIds(ask: AskStore, lane: LaneId): Promise<RelayIds> {
  const rows = await ask<{ id: string; isPublished: boolean }>(
    `SELECT event_id::text AS id, false AS "isPublished" FROM public.relay_parked_events WHERE lane = $1
     UNION SELECT event_id::text, result = 'published' FROM public.relay_parked_results WHERE lane = $1`,
    [lane],
  )
  const idsOf = (isPublished: boolean): ReadonlySet<string> =>
    new Set(rows.filter((row) => row.isPublished === isPublished).map(({ id }) => id))
  return { parked: idsOf(false), publishedLate: idsOf(true) }
}

class TopicCheck {
  readonly #options: TopicCheckOptions
  readonly #relay: RelayIds
  readonly #tally = new DifferenceTally()
  readonly #last = new Map<number, bigint>()
  /** Met behind a later one: only at the end is it known whether their place was empty. */
  readonly #outOfOrder = new Set<string>()
  readonly #missing = new Set<string>()
  #messages = 0
  #events = 0
  #lastTaken = ''

  constructor(options: TopicCheckOptions, relay: RelayIds) {
    this.#options = options
    this.#relay = relay
  }

  async run(): Promise<TopicReport> {
    const { topic, lane, through, storeBegins, admin } = this.#options
    const { heads, removedThrough } = await this.#open()
    const from = removedThrough > storeBegins ? removedThrough : storeBegins
    const isCompacted = await isTopicCompacted(admin, topic)
    const pairs = mergeOrdered(this.#published(from), this.#inOrder(heads, from), (one, other) =>
      ascending(one.position, other.position),
    )
    for await (const { expected, actual } of pairs) {
      if (expected === null) this.#tally.note('extra', actual.eventId)
      else if (actual === null) {
        if (!isCompacted) this.#noteMissing(expected.eventId)
      } else if (expected.eventId !== actual.eventId || expected.version !== actual.version) {
        this.#tally.note('different', expected.eventId, [expected.eventId === actual.eventId ? 'version' : 'event_id'])
      }
    }
    // A second message of an event that stands in its place, too, is one too many.
    for (const id of this.#outOfOrder) if (!this.#missing.delete(id)) this.#tally.note('extra', id)
    for (const id of this.#missing) this.#tally.note('missing', id)
    const { missing, extra, different, status, examples, durationMs } = this.#tally.report(topic, [])
    const outOfOrder = this.#outOfOrder.size
    return {
      topic,
      lane: lane.name,
      through,
      events: this.#events,
      messages: this.#messages,
      missing,
      extra,
      different,
      outOfOrder,
      status: outOfOrder > 0 ? 'different' : status,
      note: noteOf(isCompacted, from),
      examples,
      durationMs,
    }
  }

  /** One that is found out of order is not missing; more than are held are told at once. */
  #noteMissing(eventId: string): void {
    if (this.#missing.size < HELD_MAX) this.#missing.add(eventId)
    else this.#tally.note('missing', eventId)
  }

  /** The first message of each partition, and up to where retention removed what was before. */
  async #open(): Promise<{ readonly heads: readonly PartitionHead[]; readonly removedThrough: bigint }> {
    const { admin, kafka, decoder, topic, through } = this.#options
    const heads: PartitionHead[] = []
    let removedThrough = 0n
    for (const { partition, low, high } of await admin.offsets(topic)) {
      const rest = partitionMessages(kafka, decoder, topic, { partition, low })
      const first = high > low ? await rest.next() : null
      const message = first === null || first.done === true ? null : first.value
      if (message !== null) heads.push({ rest, message })
      const before = message?.event ? message.event.position - 1n : through
      if (low > 0n && before > removedThrough) removedThrough = before < through ? before : through
    }
    return { heads, removedThrough }
  }

  /** What the store says was published, in the order of positions. */
  async *#published(from: bigint): AsyncGenerator<PublishedEvent, undefined> {
    const { ask, lane, laneId, topic, through, storeBegins } = this.#options
    const table = lane.tables.find((t) => t.topic.name === topic)
    const isOfTopic = table ? `event_data->>'op' <> 'e' AND aggregate_type = $4` : `event_data->>'op' = 'e' AND $4::text IS NULL`
    const text = `SELECT position::text AS position, event_id::text AS id, event_version AS version FROM public.event_store
      WHERE lane = $1 AND position > $2 AND position <= $3 AND ${isOfTopic} ORDER BY event_store.position LIMIT ${PAGE_EVENTS}`
    for (let after = storeBegins; ;) {
      const values = [laneId, String(after), String(through), table?.aggregateType ?? null]
      const rows = await ask<{ position: string; id: string; version: number }>(text, values)
      this.#events += rows.length
      for (const { position, id, version } of rows) {
        const isInPlace = !this.#relay.parked.has(id) && !this.#relay.publishedLate.has(id)
        if (isInPlace && BigInt(position) > from) yield { position: BigInt(position), eventId: id, version }
      }
      const last = rows.at(-1)
      if (!last || rows.length < PAGE_EVENTS) return
      after = BigInt(last.position)
    }
  }

  /** Messages that are in their place, each event once. */
  async *#inOrder(heads: readonly PartitionHead[], from: bigint): AsyncGenerator<PublishedEvent, undefined> {
    for await (const message of inPositionOrder(heads)) {
      const event = this.#taken(message)
      if (event !== null && event.position > from) yield event
    }
  }

  #taken({ partition, offset, event }: TopicMessage): PublishedEvent | null {
    const { topic, laneId, through, signal, onMessages } = this.#options
    if (event !== null && event.lane === laneId && event.position > through) return null
    this.#messages += 1
    if (this.#messages % STEP === 0) {
      signal.throwIfAborted()
      onMessages(this.#messages)
    }
    if (event === null || event.lane !== laneId) {
      this.#tally.note('extra', `${topic}, partition ${partition}, offset ${offset}`)
      return null
    }
    if (this.#relay.publishedLate.has(event.eventId)) return null
    const last = this.#last.get(partition) ?? 0n
    if (event.position === last) {
      this.#tally.note('extra', event.eventId)
      return null
    }
    if (event.position < last) {
      if (this.#outOfOrder.size < HELD_MAX) this.#outOfOrder.add(event.eventId)
      return null
    }
    this.#last.set(partition, event.position)
    // The same event in the next partition: a truncate.
    if (event.eventId === this.#lastTaken) return null
    this.#lastTaken = event.eventId
    return event
  }
}

function noteOf(isCompacted: boolean, from: bigint): string | null {
  if (isCompacted) return 'the topic is compacted: of a key its last message stays'
  return from > 0n ? `retention: compared after position ${from}` : null
}

/** Who may not read the topic's settings is told of missing messages. */
async function isTopicCompacted(admin: Pick<KafkaAdmin, 'topicConfig'>, topic: string): Promise<boolean> {
  try {
    return (await admin.topicConfig(topic))['cleanup.policy']?.includes('compact') ?? false
  } catch (error) {
    if (isSluiceError(error, 'KAFKA_REFUSED')) return false
    throw error
  }
}

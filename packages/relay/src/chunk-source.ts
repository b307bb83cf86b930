/**
 * Reads the store ahead of Kafka: plans transactions, reads their events in chunks of bounded bytes, and encodes them.
 *
 * A chunk is what is read and sent at a time; a transaction has one, or several where a commit that may not be split is larger. The
 * caller asks for the next chunk while it sends the one before, so two are held.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type LaneId, type PositionNumber, type StoredEvent, positionNumber } from '@sluice/core'
import type { OutgoingMessage, TopicMessages } from '@sluice/kafka'
import type { EventReader, StoredCommit } from '@sluice/store'
import type { EventParking } from './event-parking.ts'
import type { MessageRouter, RoutedEvent } from './message-routing.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { RelayStart } from './relay-start.ts'
import { type TransactionPlan, cutPlan, planTransaction } from './transaction-plan.ts'
import { RefusedEvent } from './refused-event.ts'

export interface Chunk {
  readonly topics: readonly TopicMessages[]
  /** A truncate counts once, in however many partitions it is. */
  readonly events: number
  /** The transaction that it belongs to. */
  readonly plan: TransactionPlan
  readonly isLast: boolean
  /** Events that had been parked and are published after all; the position does not move then. */
  readonly late: readonly PositionNumber[]
  /** Position of its largest message, to be named where Kafka refuses one. */
  readonly largest: PositionNumber
  readonly startedAtMs: number
  /** Commit time of its newest event, microseconds since 1970. */
  readonly committedAtMicros: bigint
}

export interface ChunkSourceOptions {
  readonly reader: EventReader
  readonly lane: LaneId
  readonly route: MessageRouter
  readonly limits: RelayLimits
  readonly parking: EventParking
  readonly store: ClaimStore
}

/** Stores what the message of an event claims. */
export type ClaimStore = (event: StoredEvent, routed: RoutedEvent) => Promise<void>

const COMMITS_READ = 2_000
/** Events encoded before the event loop gets its turn: about 3 ms. */
const ENCODED_IN_ONE_GO = 500

/** Chunks from a position on, for ever; ends when the signal aborts. @throws RefusedEvent */
export async function* chunks(options: ChunkSourceOptions, start: RelayStart, signal: AbortSignal): AsyncGenerator<Chunk> {
  const { reader, lane, parking } = options
  let after = start.position
  let head = start.chain
  let commitEnd = start.record?.commitEnd ?? true
  while (!signal.aborted) {
    const late = await lateChunk(options, { after, through: after, commitEnd, chain: head })
    if (late) yield late
    const commits = await reader.commitsAfter(lane, after, COMMITS_READ)
    if (commits.length === 0) {
      await reader.waitForEvents(lane, after, parking.lookSignal(signal))
      continue
    }
    for await (const chunk of transactionChunks(
      options,
      commits,
      planTransaction(commits, after, head, options.limits.transactionEventsMax),
    )) {
      yield chunk
      after = chunk.plan.through
      head = chunk.plan.chain
      commitEnd = chunk.plan.commitEnd
    }
  }
}

/** Parked events that people asked to try again and that can be published now; null if there are none. */
async function lateChunk(
  { reader, route, limits, parking, store }: ChunkSourceOptions,
  plan: TransactionPlan,
): Promise<Chunk | null> {
  const startedAtMs = performance.now()
  const timestampMs = Date.now()
  const answered = await parking.answerRequests(reader, limits.chunkBytesMax, (event) => route(event, timestampMs))
  if (answered.length === 0) return null
  const encoded = new EncodedEvents()
  for (const { event, routed } of answered) {
    if (routed.claimed.length > 0) await store(event, routed)
    encoded.add(event, routed)
  }
  const late = answered.map(({ event }) => event.position)
  return { ...chunkOf(plan, encoded, true, startedAtMs), late }
}

async function* transactionChunks(
  { reader, lane, route, limits, parking, store }: ChunkSourceOptions,
  commits: readonly StoredCommit[],
  wanted: TransactionPlan,
): AsyncGenerator<Chunk> {
  let plan = wanted
  let position = plan.after
  while (position < plan.through) {
    const startedAtMs = performance.now()
    const isFirst = position === plan.after
    let events = await reader.events(lane, position, plan.through, { bytesMax: limits.chunkBytesMax })
    let end = positionNumber(position + BigInt(events.length))
    // What does not fit goes into the next transaction, where that parts no commit.
    if (isFirst && end < plan.through) {
      plan = cutPlan(plan, commits, end) ?? smallestPlan(plan, commits)
      if (plan.through < end) end = plan.through
      events = events.slice(0, Number(end - position))
    }
    const encoded = await encodeUpTo({ route, parking, store }, events)
    if (encoded.failure !== null) {
      const before = isFirst ? cutPlan(plan, commits, positionNumber(encoded.failure.position - 1n)) : null
      if (before === null) throw encoded.failure
      // Everything before the event that fails is published; the next transaction begins with its commit.
      plan = before
      yield chunkOf(plan, encoded.upTo(before.through), true, startedAtMs)
      return
    }
    yield chunkOf(plan, encoded, end === plan.through, startedAtMs)
    position = end
  }
}

/** A transaction of one commit, or of the piece that was planned. */
function smallestPlan(plan: TransactionPlan, commits: readonly StoredCommit[]): TransactionPlan {
  const first = commits[0]
  return first && first.last <= plan.through ? (cutPlan(plan, commits, first.last) ?? plan) : plan
}

type EventPlace = Pick<StoredEvent, 'position' | 'committedAt'>
type EventMessages = Pick<RoutedEvent, 'topic' | 'messages'>

/** Messages of a chunk, by topic. */
class EncodedEvents {
  readonly #byTopic = new Map<string, OutgoingMessage[]>()
  /** Without the claimed values and the event's data, which may be large. */
  readonly #added: { readonly event: EventPlace; readonly routed: EventMessages }[] = []
  #largestBytes = -1
  largest = positionNumber(0)
  events = 0
  committedAtMicros = 0n
  /** The first event that can neither be published nor parked. */
  failure: RefusedEvent | null = null

  get topics(): readonly TopicMessages[] {
    return [...this.#byTopic].map(([topic, messages]) => ({ topic, messages }))
  }

  /** The messages of the first events, which are not decided about again. */
  upTo(position: PositionNumber): EncodedEvents {
    const part = new EncodedEvents()
    for (const { event, routed } of this.#added) if (event.position <= position) part.add(event, routed)
    return part
  }

  add({ position, committedAt }: EventPlace, { topic, messages }: EventMessages): void {
    this.#added.push({ event: { position, committedAt }, routed: { topic, messages } })
    const list = this.#byTopic.get(topic)
    if (list) list.push(...messages)
    else this.#byTopic.set(topic, [...messages])
    const bytes = messages[0]?.value?.length ?? 0
    if (bytes > this.#largestBytes) {
      this.#largestBytes = bytes
      this.largest = position
    }
    this.events += 1
    this.committedAtMicros = committedAt
  }
}

async function encodeUpTo(
  { route, parking, store }: Pick<ChunkSourceOptions, 'route' | 'parking' | 'store'>,
  events: readonly StoredEvent[],
): Promise<EncodedEvents> {
  const encoded = new EncodedEvents()
  // Kafka's retention counts from a record's time: with the commit's, events that waited through a long outage would be removed on
  // arrival. The commit's time is in the value.
  const timestampMs = Date.now()
  let count = 0
  for (const event of events) {
    try {
      const routed = parking.tryEvent(event, (e) => route(e, timestampMs))
      if (routed && routed.claimed.length > 0) await store(event, routed)
      if (routed) encoded.add(event, routed)
    } catch (error) {
      if (!(error instanceof RefusedEvent)) throw error
      encoded.failure = error
      break
    }
    if (++count % ENCODED_IN_ONE_GO === 0) await turn()
  }
  // Before the transaction that passes them over can be committed.
  await parking.store()
  return encoded
}

function chunkOf(plan: TransactionPlan, encoded: EncodedEvents, isLast: boolean, startedAtMs: number): Chunk {
  const { topics, events, largest, committedAtMicros } = encoded
  return { topics, events, plan, isLast, late: [], largest, startedAtMs, committedAtMicros }
}

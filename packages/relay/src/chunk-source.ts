/**
 * Reads the store ahead of Kafka: plans transactions, reads their events in chunks of bounded bytes, and encodes them.
 *
 * A chunk is what is read and sent at a time; a transaction has one, or several where a commit that may not be split is larger. The
 * caller asks for the next chunk while it sends the one before, so two are held.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type LaneId, type PositionNumber, type StoredEvent, isSluiceError, positionNumber } from '@sluice/core'
import type { OutgoingMessage, TopicMessages } from '@sluice/kafka'
import type { EventReader, StoredCommit } from '@sluice/store'
import type { MessageRouter } from './message-routing.ts'
import type { RelayLimits } from './relay-limits.ts'
import { type ChainHead, type TransactionPlan, cutPlan, planTransaction } from './transaction-plan.ts'
import { RefusedEvent } from './refused-event.ts'

export interface Chunk {
  readonly topics: readonly TopicMessages[]
  readonly events: number
  /** The transaction that it belongs to. */
  readonly plan: TransactionPlan
  readonly isLast: boolean
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
}

const COMMITS_READ = 2_000
/** Events encoded before the event loop gets its turn: about 3 ms. */
const ENCODED_IN_ONE_GO = 500

/** Chunks from a position on, for ever; ends when the signal aborts. @throws RefusedEvent */
export async function* chunks(
  options: ChunkSourceOptions,
  start: PositionNumber,
  chain: ChainHead,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  let after = start
  let head = chain
  while (!signal.aborted) {
    const commits = await options.reader.commitsAfter(options.lane, after, COMMITS_READ)
    if (commits.length === 0) {
      await options.reader.waitForEvents(options.lane, after, signal)
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
    }
  }
}

async function* transactionChunks(
  { reader, lane, route, limits }: ChunkSourceOptions,
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
    const encoded = await encodeUpTo(route, events)
    if (encoded.failure !== null) {
      const before = isFirst ? cutPlan(plan, commits, positionNumber(encoded.failure.position - 1n)) : null
      if (before === null) throw encoded.failure
      // Everything before the event that fails is published; the next transaction begins with its commit.
      plan = before
      yield chunkOf(plan, await encodeUpTo(route, events.slice(0, Number(before.through - position))), true, startedAtMs)
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

interface EncodedEvents {
  readonly topics: readonly TopicMessages[]
  readonly events: number
  readonly largest: PositionNumber
  readonly committedAtMicros: bigint
  readonly failure: RefusedEvent | null
}

async function encodeUpTo(route: MessageRouter, events: readonly StoredEvent[]): Promise<EncodedEvents> {
  const byTopic = new Map<string, OutgoingMessage[]>()
  // Kafka's retention counts from a record's time: with the commit's, events that waited through a long outage would be removed on
  // arrival. The commit's time is in the value.
  const timestampMs = Date.now()
  let largest = positionNumber(0)
  let largestBytes = -1
  let count = 0
  let failure: RefusedEvent | null = null
  for (const event of events) {
    try {
      const { topic, message } = route(event, timestampMs)
      const list = byTopic.get(topic)
      if (list) list.push(message)
      else byTopic.set(topic, [message])
      const bytes = message.value?.length ?? 0
      if (bytes > largestBytes) {
        largestBytes = bytes
        largest = event.position
      }
    } catch (error) {
      if (!isSluiceError(error)) throw error
      failure = new RefusedEvent(event.position, error)
      break
    }
    if (++count % ENCODED_IN_ONE_GO === 0) await turn()
  }
  return {
    topics: [...byTopic].map(([topic, messages]) => ({ topic, messages })),
    events: count,
    largest,
    committedAtMicros: events[count - 1]?.committedAt ?? 0n,
    failure,
  }
}

function chunkOf(plan: TransactionPlan, encoded: EncodedEvents, isLast: boolean, startedAtMs: number): Chunk {
  const { topics, events, largest, committedAtMicros } = encoded
  return { topics, events, plan, isLast, largest, startedAtMs, committedAtMicros }
}

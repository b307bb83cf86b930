/** The next stretch of events to publish: read from the store, cut at the commits of the source, encoded. */
import { type PositionNumber, SluiceError, type StoredEvent, toSluiceError } from '@sluice/core'
import type { EventEncoder } from '@sluice/avro'
import type { OutgoingMessage, TopicMessages } from '@sluice/kafka'
import type { EventReader, LaneRecord, StoredCommit } from '@sluice/store'
import type { EventRouting } from './event-routing.ts'
import { messageHeaders } from './message-headers.ts'
import type { RelayLimits } from './relay-limits.ts'

/** What one Kafka transaction publishes. */
export interface Publication {
  readonly first: PositionNumber
  readonly last: PositionNumber
  /** False if `last` lies inside a commit that is larger than a transaction may be. */
  readonly commitEnd: boolean
  /** The last commit that ends in this publication; null if none does. */
  readonly closed: StoredCommit | null
  readonly topics: readonly TopicMessages[]
  readonly startedAt: number
}

export interface PublicationSource {
  readonly systemName: string
  readonly lane: LaneRecord
  readonly reader: EventReader
  readonly routing: EventRouting
  /** By topic. */
  readonly encoders: ReadonlyMap<string, EventEncoder>
  readonly limits: RelayLimits
}

/** An event that can not be published as it is; the relay stands at it. */
export class RefusedEvent extends Error {
  override readonly name = 'RefusedEvent'
  readonly position: PositionNumber
  readonly reason: SluiceError

  constructor(position: PositionNumber, reason: SluiceError) {
    super(reason.message, { cause: reason })
    this.position = position
    this.reason = reason
  }
}

/**
 * Reads and encodes what comes after a position.
 *
 * @returns null if nothing does
 * @throws RefusedEvent
 */
export async function nextPublication(source: PublicationSource, after: PositionNumber): Promise<Publication | null> {
  const startedAt = performance.now()
  const commits = await source.reader.commitsAfter(source.lane.lane, after, source.limits.eventsMax)
  const [first] = commits
  if (!first) return null
  const events = await readWholeCommits(source, commits, after)
  const last = events.at(-1)!.position
  const closed = commits.findLast((commit) => commit.last <= last) ?? null
  return {
    first: (after + 1n) as PositionNumber,
    last,
    commitEnd: closed?.last === last,
    closed,
    topics: encode(source, events),
    startedAt,
  }
}

/** As many whole commits as fit; at least one, or a part of one that may be split. */
async function readWholeCommits(
  { reader, lane, limits }: PublicationSource,
  commits: readonly StoredCommit[],
  after: PositionNumber,
): Promise<readonly StoredEvent[]> {
  const first = commits[0]!
  const mayFill = after + BigInt(limits.eventsMax)
  const maySplit = first.last - first.first + 1n > BigInt(limits.eventsMax)
  const wanted = maySplit ? min(first.last, mayFill) : commits.findLast((commit) => commit.last <= mayFill)!.last
  const events = [...(await reader.events(lane.lane, after, wanted, { bytesMax: limits.bytesMax }))]
  const got = events.at(-1)!.position
  if (got === wanted || maySplit) return events
  const end = commits.findLast((commit) => commit.last <= got)
  if (end) return events.slice(0, Number(end.last - after))
  while (events.at(-1)!.position < first.last) {
    events.push(...(await reader.events(lane.lane, events.at(-1)!.position, first.last, { bytesMax: limits.bytesMax })))
  }
  return events
}

function encode({ systemName, routing, encoders }: PublicationSource, events: readonly StoredEvent[]): readonly TopicMessages[] {
  const topics = new Map<string, OutgoingMessage[]>()
  for (const event of events) {
    try {
      const { topic, partition, key } = routing.route(event)
      const messages = topics.get(topic.name) ?? []
      topics.set(topic.name, messages)
      messages.push({
        partition,
        key,
        value: encoders.get(topic.name)!.encode(event),
        headers: messageHeaders(event, topic, systemName),
        timestampMs: Number(event.committedAt / 1000n),
      })
    } catch (error) {
      throw new RefusedEvent(event.position, toSluiceError(error))
    }
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }))
}

function min(a: bigint, b: bigint): PositionNumber {
  return (a < b ? a : b) as PositionNumber
}

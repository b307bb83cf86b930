/**
 * What must hold of the topics, whatever was killed: no event twice, none missing, order kept per key. A truncate is one event with a
 * message in every partition of its topic, in its place there.
 */
import { type LoggedEvent, readKafkaLog } from './kafka-log.ts'

export interface TopicReport {
  /** A truncate counts once. */
  readonly messages: number
  readonly distinct: number
  /** Positions of the store that are in no topic. */
  readonly lost: number
  /** Messages behind a later position of their partition, or behind a later version of their key. */
  readonly outOfOrder: number
  readonly problems: readonly string[]
}

const PROBLEMS_MAX = 20

/** @param expected Positions that each lane has in its store: 1 to this number. */
export async function checkTopics(options: {
  readonly brokers: readonly string[]
  readonly registryUrl: string
  readonly topics: readonly string[]
  readonly expected: ReadonlyMap<number, bigint>
  /** Aggregates that may come after later positions of other ones; never is an event of theirs behind a later one of its own. @default none */
  readonly isHeldBack?: (aggregate: string) => boolean
}): Promise<TopicReport> {
  const problems: string[] = []
  const report = (problem: string): void => {
    if (problems.length < PROBLEMS_MAX) problems.push(problem)
  }
  /** Where each event lies. */
  const seen = new Map<string, string>()
  const truncates = new Map<string, { readonly topic: string; readonly partitions: Set<number> }>()
  const positions = new Map<number, Set<bigint>>()
  const versions = new Map<string, bigint[]>()
  const lastOfPartition = new Map<string, bigint>()
  const lastOfKey = new Map<string, bigint>()
  let messages = 0
  let lost = 0
  let outOfOrder = 0

  /** True for a message of a truncate that is in another partition already. */
  const isCopy = (event: LoggedEvent): boolean => {
    if (event.op !== 't') return false
    const known = truncates.get(event.eventId)
    truncates.set(event.eventId, known ?? { topic: event.topic, partitions: new Set([event.partition]) })
    if (known === undefined || known.topic !== event.topic || known.partitions.has(event.partition)) return false
    known.partitions.add(event.partition)
    return true
  }

  const partitions = await readKafkaLog({
    ...options,
    onEvent: (event) => {
      const place = `${event.topic}/${event.partition}/${event.lane}`
      const before = lastOfPartition.get(place) ?? 0n
      const isLate = event.position <= before && (options.isHeldBack?.(event.aggregate) ?? false)
      if (!isLate) lastOfPartition.set(place, event.position)
      if (event.position <= before && !isLate) {
        outOfOrder += 1
        report(`${place}: position ${event.position} comes after ${before}`)
      }
      if (isCopy(event)) return
      messages += 1
      const here = `${event.topic}/${event.partition} at ${event.offset}`
      const there = seen.get(event.eventId)
      if (there !== undefined)
        report(`event ${event.eventId} (position ${event.position}) is twice in the topics: ${there}, ${here}`)
      seen.set(event.eventId, here)
      const ofLane = positions.get(event.lane) ?? new Set<bigint>()
      positions.set(event.lane, ofLane.add(event.position))

      // A table's own aggregate is in every partition: it is in order in each by itself.
      const key = event.op === 't' ? `${place}/${event.aggregate}` : `${event.topic}/${event.aggregate}`
      const versionBefore = lastOfKey.get(key) ?? 0n
      if (event.version <= versionBefore) {
        if (event.position > before || isLate) outOfOrder += 1
        report(`${key}: version ${event.version} comes after ${versionBefore}`)
      }
      lastOfKey.set(key, event.version)

      const ofAggregate = versions.get(event.aggregate) ?? []
      ofAggregate.push(event.version)
      versions.set(event.aggregate, ofAggregate)
    },
  })
  for (const [eventId, { topic, partitions: found }] of truncates) {
    const missing = (partitions.get(topic) ?? 0) - found.size
    lost += missing
    if (missing > 0) report(`truncate ${eventId} is missing in ${missing} partitions of ${topic}`)
  }
  for (const [lane, last] of options.expected) {
    const found = positions.get(lane)?.size ?? 0
    lost += Math.max(0, Number(last) - found)
    if (BigInt(found) !== last) report(`lane ${lane}: ${found} positions are in the topics, ${last} in the store`)
  }
  // An aggregate's events may lie in two topics (its table's, and an outbox's), so only the whole shows gaps.
  for (const [aggregate, found] of versions) {
    const last = found.reduce((a, b) => (a > b ? a : b))
    if (new Set(found).size !== found.length || last !== BigInt(found.length)) {
      report(`${aggregate}: ${found.length} events with versions up to ${last}`)
    }
  }
  return { messages, distinct: seen.size, lost, outOfOrder, problems }
}

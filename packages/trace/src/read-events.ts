/**
 * Lists stored events. Only positions and correlations are indexed, so any other filter reads the store in stretches: a
 * listing says how far it searched, and stops after `searchMax` positions with what it has.
 */
import { SluiceError, ascending } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { type LaneRecord, listLanes } from '@sluice/store'
import type { SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import { EVENT_LINE, type EventLine, type EventLineRow, eventLine } from './event-line.ts'
import { onDatabase } from './on-database.ts'

export interface EventsOptions {
  readonly system: SystemDefinition
  readonly targets: { readonly pipeline: PostgresTarget }
  /** Name of a lane. @default all */
  readonly lane?: string
  /** `Opportunity`, an aggregate's id or key, or both: `Opportunity/6f1f3e0a-…`. */
  readonly aggregate?: string
  /** Event type. */
  readonly type?: string
  readonly correlation?: string
  /** Position of a lane: the first events after it. @default the newest events */
  readonly after?: bigint
  /** @default 50 */
  readonly limit?: number
  /** Positions that are searched of each lane. @default 5,000,000 */
  readonly searchMax?: number
}

export interface SearchedLane {
  readonly lane: string
  /** Positions that were looked at, both included; `from` above `to` if the lane has none. */
  readonly from: bigint
  readonly to: bigint
}

export interface EventListing {
  /** In the order of commit times, and of positions within a lane. */
  readonly events: readonly EventLine[]
  readonly searched: readonly SearchedLane[]
  /** False if there may be more that match: the limit was reached, or the search stopped. */
  readonly isComplete: boolean
}

const STRETCH = 100_000n
const LIMIT = 50
const SEARCH_MAX = 5_000_000

/** @throws SluiceError SLU-3001, SLU-3002 for an unknown lane, SLU-1001 for `after` without a lane */
export async function readEvents(options: EventsOptions): Promise<EventListing> {
  return onDatabase(options.targets.pipeline, async (client) => {
    const listings: EventListing[] = []
    for (const lane of await lanesInScope(client, options)) listings.push(await searchLane(client, lane, options))
    const all = listings.flatMap((l) => l.events).sort((a, b) => ascending(a.committedAt, b.committedAt))
    const limit = options.limit ?? LIMIT
    return {
      events: options.after === undefined ? all.slice(-limit) : all.slice(0, limit),
      searched: listings.flatMap((l) => l.searched),
      isComplete: all.length <= limit && listings.every((l) => l.isComplete),
    }
  })
}

async function lanesInScope(client: ClientBase, options: EventsOptions): Promise<readonly LaneRecord[]> {
  const lanes = await listLanes(client, options.system.name)
  if (options.lane === undefined) {
    if (options.after === undefined || lanes.length === 1) return lanes
    throw new SluiceError('USAGE', {
      what: 'a position belongs to a lane, and none was named',
      why: `the lanes are ${lanes.map((l) => l.laneName).join(', ')}`,
      ways: [`sluice events --lane ${lanes[0]?.laneName ?? 'monolith'} --after ${options.after}`],
    })
  }
  const lane = lanes.find((l) => l.laneName === options.lane)
  if (lane) return [lane]
  throw new SluiceError('LANE_UNKNOWN', {
    what: `system "${options.system.name}" has no lane "${options.lane}"`,
    why: `the lanes that have begun are ${lanes.map((l) => l.laneName).join(', ') || 'none'}`,
    ways: ['sluice status'],
  })
}

interface Range {
  /** Both included. */
  readonly first: bigint
  readonly last: bigint
}

async function searchLane(client: ClientBase, lane: LaneRecord, options: EventsOptions): Promise<EventListing> {
  const limit = options.limit ?? LIMIT
  const isForward = options.after !== undefined
  const ranges = stretches(await rangesOf(client, lane, options), isForward)
  const found: EventLine[] = []
  let budget = BigInt(options.searchMax ?? SEARCH_MAX)
  let [from, to] = [lane.position + 1n, 0n]
  let isComplete = true
  for (const range of ranges) {
    if (found.length >= limit || budget <= 0n) {
      isComplete = false
      break
    }
    const rows = await matching(client, lane, range, options, limit - found.length + 1, isForward)
    found.push(...rows.map((row) => eventLine(lane.laneName, row)))
    budget -= range.last - range.first + 1n
    from = range.first < from ? range.first : from
    to = range.last > to ? range.last : to
  }
  const events = found.slice(0, limit)
  if (!isForward) events.reverse()
  return { events, searched: [{ lane: lane.laneName, from, to }], isComplete: isComplete && found.length <= limit }
}

/** Where matching events can be: the runs of a correlation, or everything after a position. */
async function rangesOf(client: ClientBase, lane: LaneRecord, options: EventsOptions): Promise<readonly Range[]> {
  const after = options.after ?? 0n
  if (options.correlation === undefined) return after < lane.position ? [{ first: after + 1n, last: lane.position }] : []
  const { rows } = await client.query<{ first: string; last: string }>(
    `SELECT greatest(first_position, $3::bigint + 1)::text AS first, last_position::text AS last FROM event_correlations
     WHERE correlation_id = $1 AND lane = $2 AND last_position > $3 ORDER BY first_position`,
    [options.correlation, lane.lane, String(after)],
  )
  return rows.map((row) => ({ first: BigInt(row.first), last: BigInt(row.last) }))
}

/** The ranges cut into stretches that one query reads, in the direction of the search. */
function* stretches(ranges: readonly Range[], isForward: boolean): Generator<Range, undefined> {
  for (const { first, last } of isForward ? ranges : ranges.toReversed()) {
    for (let done = 0n; done <= last - first; done += STRETCH) {
      const size = last - first + 1n - done < STRETCH ? last - first + 1n - done : STRETCH
      yield isForward
        ? { first: first + done, last: first + done + size - 1n }
        : { first: last - done - size + 1n, last: last - done }
    }
  }
}

async function matching(
  client: ClientBase,
  lane: LaneRecord,
  range: Range,
  { aggregate, type, correlation }: EventsOptions,
  limit: number,
  isForward: boolean,
): Promise<readonly EventLineRow[]> {
  const [aggregateType, id] = aggregateParts(aggregate)
  const { rows } = await client.query<EventLineRow>(
    `SELECT ${EVENT_LINE} FROM event_store e
     WHERE e.lane = $1 AND e.position BETWEEN $2 AND $3
       AND ($4::text IS NULL OR e.aggregate_type = $4 OR ($5::text IS NULL AND (e.aggregate_id::text = $4 OR e.aggregate_key = $4)))
       AND ($5::text IS NULL OR e.aggregate_id::text = $5 OR e.aggregate_key = $5)
       AND ($6::text IS NULL OR e.event_type = $6)
       AND ($7::text IS NULL OR e.correlation_id = $7)
     ORDER BY e.position ${isForward ? 'ASC' : 'DESC'} LIMIT $8`,
    [lane.lane, String(range.first), String(range.last), aggregateType, id, type ?? null, correlation ?? null, limit],
  )
  return rows
}

/** `Type/id` apart; a part alone may be either. */
function aggregateParts(aggregate: string | undefined): readonly [string | null, string | null] {
  if (aggregate === undefined) return [null, null]
  const slash = aggregate.indexOf('/')
  return slash === -1 ? [aggregate, null] : [aggregate.slice(0, slash), aggregate.slice(slash + 1)]
}

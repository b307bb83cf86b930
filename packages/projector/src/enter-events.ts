/**
 * Which events of a batch take effect in its transaction: those whose ids it enters into `processed_events` itself.
 *
 * A truncate is in every partition of its topic (decision 0016). Whoever has them all takes it once, as a whole. Where members share
 * them, it takes effect in each partition by itself, which `processed_truncates` remembers; the id is entered by the member that meets
 * it first, which calls the handlers and counts it. One that was begun in parts is ended in parts, whoever goes on.
 */
import type { PositionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { Batch, BatchEvent } from './batch.ts'
import { withoutHandlers } from './handler-run.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import { textArray } from './text-array.ts'

export interface EnteredEvents {
  /** To be applied, in position order, each once. */
  readonly fresh: readonly BatchEvent[]
  /** Ids of truncates among them that another member has entered and counted. */
  readonly countedElsewhere: ReadonlySet<string>
  /** Met before. */
  readonly duplicates: number
  /** Not of this service. */
  readonly skipped: number
}

export async function enterEvents(
  client: ClientBase,
  statements: PreparedStatements,
  batch: Batch,
  prunedThrough: PositionNumber,
): Promise<EnteredEvents> {
  const all = eachOnce(batch.events)
  const used = all.filter((e) => e.route !== null)
  // Below the mark nothing is remembered: all of it was met.
  const candidates = used.filter((e) => e.event.position > prunedThrough)
  const met = await enterIds(client, statements, batch, candidates)
  const partitions = await enterTruncates(client, batch, candidates, met)
  const countedElsewhere = new Set([...partitions.keys()].filter((id) => met.has(id)))
  const fresh = candidates.flatMap((item) => {
    const { eventId } = item.event
    const own = partitions.get(eventId)
    if (own === undefined) return met.has(eventId) ? [] : [item]
    return [{ ...item, partitions: own, route: met.has(eventId) ? withoutHandlers(item.route) : item.route }]
  })
  return { fresh, countedElsewhere, duplicates: used.length - fresh.length, skipped: all.length - used.length }
}

/** The same position twice is the same event twice, and a truncate comes from every partition. */
function eachOnce(events: readonly BatchEvent[]): readonly BatchEvent[] {
  const truncates = new Set<string>()
  return events.filter(({ event }, i) => {
    if (event.position === events[i - 1]?.event.position) return false
    if (event.op !== 't') return true
    const isFirst = !truncates.has(event.eventId)
    truncates.add(event.eventId)
    return isFirst
  })
}

/** Enters the events' ids and returns those that were there before. */
async function enterIds(
  client: ClientBase,
  statements: PreparedStatements,
  batch: Batch,
  events: readonly BatchEvent[],
): Promise<ReadonlySet<string>> {
  if (events.length === 0) return new Set()
  const { rows } = await client.query<{ event_id: string }>(
    statements.named(
      `WITH met AS (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS m (event_id, position)), entered AS (
       INSERT INTO public.processed_events (event_id, lane, position) SELECT event_id, $1, position FROM met
       ON CONFLICT DO NOTHING RETURNING event_id)
     SELECT event_id::text FROM met EXCEPT ALL SELECT event_id::text FROM entered`,
      [batch.lane, textArray(events.map((e) => e.event.eventId)), textArray(events.map((e) => e.event.position.toString()))],
    ),
  )
  return new Set(rows.map((r) => r.event_id))
}

/**
 * Enters the partitions in which truncates are met for the first time, and returns them by event id: of those that members share, and
 * of those that members have begun. One that was met before and has no partition entered was applied as a whole.
 */
async function enterTruncates(
  client: ClientBase,
  batch: Batch,
  candidates: readonly BatchEvent[],
  met: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const truncates = candidates.filter(({ event, route }) => {
    const isShared = route?.kind === 'table' && route.table.isOrderedByKeyOnly
    return event.op === 't' && (isShared || met.has(event.eventId))
  })
  if (truncates.length === 0) return new Map()
  const ids = new Set(truncates.map((item) => item.event.eventId))
  const copies = batch.events.filter((item) => ids.has(item.event.eventId))
  // Nothing of an event that is met for the first time is left from an earlier life of the service.
  const fresh = [...ids].filter((id) => !met.has(id))
  if (fresh.length > 0) await client.query('DELETE FROM public.processed_truncates WHERE event_id = ANY ($1::uuid[])', [fresh])
  const { rows } = await client.query<{ event_id: string; partition: number }>(
    `INSERT INTO public.processed_truncates (event_id, partition, lane, position)
     SELECT c.event_id, c.partition, $1, c.position
     FROM unnest($2::uuid[], $3::integer[], $4::bigint[], $5::boolean[]) AS c (event_id, partition, position, is_met)
     WHERE NOT c.is_met OR EXISTS (SELECT FROM public.processed_truncates t WHERE t.event_id = c.event_id)
     ON CONFLICT DO NOTHING RETURNING event_id::text, partition`,
    [
      batch.lane,
      copies.map((c) => c.event.eventId),
      copies.map((c) => c.place.partition),
      copies.map((c) => c.event.position.toString()),
      copies.map((c) => met.has(c.event.eventId)),
    ],
  )
  const entered = Map.groupBy(rows, (row) => row.event_id)
  return new Map([...entered].map(([id, found]) => [id, found.map((row) => row.partition)]))
}

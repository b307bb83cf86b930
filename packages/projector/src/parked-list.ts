/** What stands in the parking lot: names, never values, but for the one event that is shown with its message. */
import { type PositionNumber, positionNumber } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import type { Client } from 'pg'
import { type ParkedSelection, isWaiting, selectionSql } from './parked-selection.ts'

const LOT_SESSION = { applicationName: 'sluice parked', statementTimeoutMs: 10_000 }

/** A parked event as it may be shown. */
export interface ParkedEvent {
  readonly eventId: string
  readonly lane: number
  readonly position: PositionNumber
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly aggregateType: string
  readonly aggregateId: string
  readonly eventType: string
  readonly correlationId: string
  /** Empty for an event that only waits. */
  readonly projection: string
  /** The event that it waits behind; null for the first, which was refused for itself or waits for a retry only. */
  readonly waitsFor: string | null
  readonly errorCode: string
  readonly sqlState: string | null
  readonly table: string | null
  readonly column: string | null
  readonly constraint: string | null
  readonly message: string
  readonly attempts: number
  readonly parkedAt: Date
}

/** A first event, and how many wait behind it: those of its key, and those that lack its row. */
export interface ParkedGroup extends ParkedEvent {
  /** At most `BEHIND_MAX`: then there may be more. */
  readonly behind: number
}

export interface ParkedPage<Item> {
  readonly items: readonly Item[]
  /** Parked events in all, of any selection. */
  readonly total: number
  /** Where the next page begins; null if this is the last. */
  readonly next: ParkedPlace | null
}

export interface ParkedPlace {
  readonly lane: number
  readonly position: bigint
}

export interface PageOptions {
  readonly selection?: ParkedSelection
  /** @default from the first on */
  readonly after?: ParkedPlace
  /** @default 1,000 */
  readonly limit?: number
}

export const BEHIND_MAX = 10_000

const COLUMNS = `p.event_id::text AS "eventId", p.lane, p.position::text AS position, p.topic, p.partition,
  p.kafka_offset::text AS "offset", p.aggregate_type AS "aggregateType", p.aggregate_id::text AS "aggregateId",
  p.event_type AS "eventType", p.correlation_id AS "correlationId", p.projection,
  CASE WHEN ${isWaiting('p')} THEN p.waits_for::text END AS "waitsFor", p.error_code AS "errorCode", p.sqlstate AS "sqlState",
  p.table_name AS "table", p.column_name AS "column", p.constraint_name AS "constraint", p.error_message AS "message", p.attempts,
  p.parked_at AS "parkedAt"`

type Row = Omit<ParkedEvent, 'position' | 'offset'> & { readonly position: string; readonly offset: string }

/** Parked events in position order. @throws SluiceError SLU-2001 to SLU-2004 */
export async function listParked(target: PostgresTarget, options: PageOptions = {}): Promise<ParkedPage<ParkedEvent>> {
  return withConnection(target, LOT_SESSION, async (client) => pageOf(client, await readRows(client, options, 'true'), options))
}

/** First events in position order, with the number of those that wait behind each. */
export async function listParkedGroups(target: PostgresTarget, options: PageOptions = {}): Promise<ParkedPage<ParkedGroup>> {
  return withConnection(target, LOT_SESSION, async (client) => {
    const page = await pageOf(client, await readRows(client, options, `NOT ${isWaiting('p')}`), options)
    const items: ParkedGroup[] = []
    for (const item of page.items) items.push({ ...item, behind: (await waitingBehind(client, item.eventId)).length })
    return { ...page, items }
  })
}

export interface ShownEvent {
  readonly event: ParkedEvent
  /** Ids of those that wait behind it, in position order; at most `BEHIND_MAX`. */
  readonly behind: readonly string[]
  /** As it came from Kafka, in captured form. */
  readonly value: Buffer
}

/** One parked event whole; null if it is not parked. */
export async function showParked(target: PostgresTarget, eventId: string): Promise<ShownEvent | null> {
  return withConnection(target, LOT_SESSION, async (client) => {
    const [event] = await readRows(client, { selection: { eventId }, limit: 1 }, 'true')
    if (!event) return null
    const { rows } = await client.query<{ value: Buffer }>(
      'SELECT message AS value FROM public.parked_events WHERE event_id = $1',
      [eventId],
    )
    const [row] = rows
    return row ? { event, behind: await waitingBehind(client, eventId), value: row.value } : null
  })
}

async function readRows(client: Client, options: PageOptions, also: string): Promise<readonly ParkedEvent[]> {
  const { selection = {}, after, limit = 1_000 } = options
  const { condition, values } = selectionSql(selection)
  const place = after ?? { lane: 0, position: 0n }
  const { rows } = await client.query<Row>(
    `SELECT ${COLUMNS} FROM public.parked_events p
     WHERE ${condition} AND ${also} AND (p.lane, p.position) > ($${values.length + 1}::smallint, $${values.length + 2}::bigint)
     ORDER BY p.lane, p.position LIMIT $${values.length + 3}`,
    [...values, place.lane, place.position.toString(), limit + 1],
  )
  return rows.map((row) => ({ ...row, position: positionNumber(row.position), offset: BigInt(row.offset) }))
}

/** Rows were asked for with one more than a page holds. */
async function pageOf<Item extends ParkedEvent>(
  client: Client,
  rows: readonly Item[],
  { limit = 1_000 }: PageOptions,
): Promise<ParkedPage<Item>> {
  const { rows: counted } = await client.query<{ total: number }>('SELECT count(*)::integer AS total FROM public.parked_events')
  const items = rows.slice(0, limit)
  const last = rows.length > limit ? items.at(-1) : undefined
  const next = last ? { lane: last.lane, position: last.position } : null
  return { items, total: counted[0]?.total ?? 0, next }
}

async function waitingBehind(client: Client, eventId: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ event_id: string }>(
    `WITH RECURSIVE behind AS (
       SELECT event_id, lane, position FROM public.parked_events WHERE waits_for = $1
       UNION
       SELECT p.event_id, p.lane, p.position FROM behind b JOIN public.parked_events p ON p.waits_for = b.event_id)
     SELECT event_id::text FROM (SELECT * FROM behind LIMIT ${BEHIND_MAX}) found ORDER BY lane, position`,
    [eventId],
  )
  return rows.map((row) => row.event_id)
}

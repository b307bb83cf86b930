/**
 * The relay's parking lot (promise 7): events that could not be published and those of their keys that queue behind them. The relay
 * parks, publishes late, skips and closes; people ask it to, since only the relay may write to the lane's topics.
 *
 * A row above the published position belongs to a Kafka transaction that was not committed: it counts for nobody, and the next start
 * of the relay removes it.
 */
import { type LaneId, type PositionNumber, positionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'

export type RelayRequest = 'retry' | 'skip'

export interface RelayParkedEvent {
  readonly lane: LaneId
  readonly position: PositionNumber
  readonly eventId: string
  readonly aggregateType: string
  readonly aggregateId: string
  /** The other aggregate of a change of key. */
  readonly otherAggregateId: string | null
  readonly eventType: string
  readonly correlationId: string
  /** Position of the parked event that this one waits behind; null for one that was refused for itself. */
  readonly waitsFor: PositionNumber | null
  /** Null for one that only waits. */
  readonly errorCode: string | null
  readonly errorMessage: string
  readonly attempts: number
  readonly parkedAt: Date
  /** Not answered yet. */
  readonly requested: RelayRequest | null
}

/** What a relay holds of a parked event. */
export interface RelayParkedLine {
  readonly position: PositionNumber
  readonly aggregateType: string
  readonly aggregateId: string
  readonly otherAggregateId: string | null
  /** True for an application's own event. */
  readonly isOwn: boolean
}

export type RelayParkedDraft = Omit<RelayParkedEvent, 'lane' | 'attempts' | 'parkedAt' | 'requested'>

/** What a person means: all that is given must hold. */
export interface RelayParkedSelection {
  readonly eventId?: string
  readonly aggregate?: { readonly type: string; readonly id: string }
  readonly topic?: string
  /** Code of Sluice, or its class: `SLU-42`. */
  readonly error?: string
}

interface Row {
  readonly position: string
  readonly event_id: string
  readonly aggregate_type: string
  readonly aggregate_id: string
  readonly other_aggregate_id: string | null
  readonly event_type: string
  readonly correlation_id: string
  readonly waits_for: string | null
  readonly error_code: string | null
  readonly error_message: string
  readonly attempts: number
  readonly parked_at: Date
  readonly requested: RelayRequest | null
}

const SELECT = `SELECT position::text, event_id::text, aggregate_type, aggregate_id::text, other_aggregate_id::text, event_type,
  correlation_id, waits_for::text, error_code, error_message, attempts, parked_at, requested FROM relay_parked_events k`

const IS_PASSED = 'k.position <= (SELECT p.position FROM relay_progress p WHERE p.lane = k.lane)'

/** The topic of a parked event `k`. An application's own event may have the aggregate type of a table, and is not in its topic. */
const TOPIC = `(SELECT CASE WHEN e.event_data ->> 'op' = 'e' THEN l.outbox_topic ELSE t.topic END
  FROM event_store e JOIN lanes l ON l.lane = e.lane
  LEFT JOIN aggregate_topics t ON t.system_name = l.system_name AND t.aggregate_type = e.aggregate_type
  WHERE e.lane = k.lane AND e.position = k.position)`

/** Parked events of a lane in position order, from a position on, at most `limit`. */
export async function relayParked(
  client: ClientBase,
  lane: LaneId,
  options: { readonly after?: bigint; readonly limit: number; readonly selection?: RelayParkedSelection },
): Promise<readonly RelayParkedEvent[]> {
  const { condition, values } = conditionOf(options.selection ?? {}, 4)
  const { rows } = await client.query<Row>(
    `${SELECT} WHERE lane = $1 AND position > $2 AND ${IS_PASSED} AND ${condition} ORDER BY k.position LIMIT $3`,
    [lane, String(options.after ?? 0n), options.limit, ...values],
  )
  return rows.map((row) => parkedOf(lane, row))
}

/** How many events of a lane are passed over and not published. */
export async function countRelayParked(client: ClientBase, lane: LaneId): Promise<number> {
  const { rows } = await client.query<{ parked: number }>(
    `SELECT count(*)::integer AS parked FROM relay_parked_events k WHERE lane = $1 AND ${IS_PASSED}`,
    [lane],
  )
  return rows[0]?.parked ?? 0
}

/** What a relay needs to know at its start, once what its last transaction left undone is tidied. */
export async function openRelayParking(
  client: ClientBase,
  lane: LaneId,
  /** The last control record: how far is published, and what was published late with it. */
  last: { readonly position: PositionNumber; readonly late: readonly PositionNumber[] },
): Promise<readonly RelayParkedLine[]> {
  await removeRelayParked(client, lane, last.late, 'published')
  await client.query('DELETE FROM relay_parked_events WHERE lane = $1 AND position > $2', [lane, String(last.position)])
  const { rows } = await client.query<Omit<RelayParkedLine, 'position'> & { readonly position: string }>(
    `SELECT k.position::text, k.aggregate_type AS "aggregateType", k.aggregate_id::text AS "aggregateId",
       k.other_aggregate_id::text AS "otherAggregateId",
       EXISTS (SELECT FROM event_store e WHERE e.lane = k.lane AND e.position = k.position AND e.event_data ->> 'op' = 'e') AS "isOwn"
     FROM relay_parked_events k WHERE k.lane = $1 ORDER BY k.position`,
    [lane],
  )
  return rows.map((row) => ({ ...row, position: positionNumber(row.position) }))
}

/** Parks events; one that was tried again keeps its first time, loses its request, and counts one attempt more if it was refused. */
export async function storeRelayParked(client: ClientBase, lane: LaneId, drafts: readonly RelayParkedDraft[]): Promise<void> {
  if (drafts.length === 0) return
  const column = (read: (draft: RelayParkedDraft) => string | null): (string | null)[] => drafts.map(read)
  await client.query(
    `INSERT INTO relay_parked_events AS k (lane, position, event_id, aggregate_type, aggregate_id, other_aggregate_id, event_type,
       correlation_id, waits_for, error_code, error_message, attempts)
     SELECT $1, d.*, CASE WHEN d.error_code IS NULL THEN 0 ELSE 1 END
     FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[])
       AS d (position, event_id, aggregate_type, aggregate_id, other_aggregate_id, event_type, correlation_id, waits_for, error_code, error_message)
     ON CONFLICT (lane, position) DO UPDATE SET waits_for = EXCLUDED.waits_for, error_code = EXCLUDED.error_code,
       error_message = EXCLUDED.error_message, attempts = k.attempts + EXCLUDED.attempts, requested = NULL`,
    [
      lane,
      column((d) => String(d.position)),
      column((d) => d.eventId),
      column((d) => d.aggregateType),
      column((d) => d.aggregateId),
      column((d) => d.otherAggregateId),
      column((d) => d.eventType),
      column((d) => d.correlationId),
      column((d) => (d.waitsFor === null ? null : String(d.waitsFor))),
      column((d) => d.errorCode),
      column((d) => d.errorMessage),
    ],
  )
}

/** Takes events out of the lot, with a record of how they left. */
export async function removeRelayParked(
  client: ClientBase,
  lane: LaneId,
  positions: readonly PositionNumber[],
  result: 'published' | 'skipped',
): Promise<void> {
  if (positions.length === 0) return
  await client.query(
    `WITH gone AS (
       DELETE FROM relay_parked_events WHERE lane = $1 AND position = ANY($2::bigint[]) RETURNING lane, position, event_id, command_id)
     INSERT INTO relay_parked_results (lane, position, event_id, command_id, result) SELECT gone.*, $3 FROM gone`,
    [lane, positions.map(String), result],
  )
}

/** Takes events out of the lot that a truncate of their table ended, each with the truncate's position on record. */
export async function closeRelayParked(
  client: ClientBase,
  lane: LaneId,
  closed: readonly (readonly [position: PositionNumber, truncate: PositionNumber])[],
): Promise<void> {
  if (closed.length === 0) return
  await client.query(
    `WITH gone AS (
       DELETE FROM relay_parked_events k USING unnest($2::bigint[], $3::bigint[]) AS c (position, truncate)
       WHERE k.lane = $1 AND k.position = c.position RETURNING k.lane, k.position, k.event_id, k.command_id, c.truncate)
     INSERT INTO relay_parked_results (lane, position, event_id, command_id, closed_by, result) SELECT gone.*, 'closed' FROM gone`,
    [lane, closed.map(([position]) => String(position)), closed.map(([, truncate]) => String(truncate))],
  )
}

/** How an event left a relay's lot. */
export interface RelayParkedEnd {
  readonly position: PositionNumber
  readonly eventId: string
  readonly result: 'published' | 'skipped' | 'closed'
  /** Position of the truncate that closed it. */
  readonly closedBy: PositionNumber | null
  readonly endedAt: Date
}

/** The newest ones first, at most `limit`; of one event if it is named. */
export async function relayParkedEnds(
  client: ClientBase,
  lane: LaneId,
  options: { readonly eventId?: string; readonly limit: number },
): Promise<readonly RelayParkedEnd[]> {
  type EndRow = Omit<RelayParkedEnd, 'position' | 'closedBy'> & { readonly position: string; readonly closedBy: string | null }
  const { rows } = await client.query<EndRow>(
    `SELECT position::text, event_id::text AS "eventId", result, closed_by::text AS "closedBy", ended_at AS "endedAt"
     FROM relay_parked_results WHERE lane = $1 AND event_id = coalesce($2::uuid, event_id) ORDER BY id DESC LIMIT $3`,
    [lane, options.eventId ?? null, options.limit],
  )
  return rows.map((row) => ({
    ...row,
    position: positionNumber(row.position),
    closedBy: row.closedBy === null ? null : positionNumber(row.closedBy),
  }))
}

/** What people asked for and was not answered, in position order. */
export async function relayRequests(
  client: ClientBase,
  lane: LaneId,
  limit: number,
): Promise<readonly { readonly position: PositionNumber; readonly request: RelayRequest }[]> {
  const { rows } = await client.query<{ position: string; requested: RelayRequest }>(
    `SELECT position::text, requested FROM relay_parked_events WHERE lane = $1 AND requested IS NOT NULL ORDER BY relay_parked_events.position LIMIT $2`,
    [lane, limit],
  )
  return rows.map((row) => ({ position: positionNumber(row.position), request: row.requested }))
}

export interface RelayRequestPlan {
  /** Null where nothing was asked for. */
  readonly commandId: string | null
  readonly selected: number
  /** Tried with them, since they wait behind them or before them. */
  readonly others: number
}

/**
 * Asks the relay to retry or skip; the command's record and the request are one transaction. A retry goes up to the first of each
 * selected key; what waits behind is tried in both.
 */
export async function requestRelayParked(
  client: ClientBase,
  lane: LaneId,
  ask: {
    readonly command: RelayRequest
    readonly selection: RelayParkedSelection
    readonly requestedBy: string
    readonly reason: string | null
    /** Counts only; nothing is asked for. */
    readonly isDryRun: boolean
  },
): Promise<RelayRequestPlan> {
  const { command, selection, requestedBy, reason, isDryRun } = ask
  const { condition, values } = conditionOf(selection, 2)
  const upwards =
    command === 'retry'
      ? 'UNION SELECT b.position, b.waits_for FROM firsts f JOIN relay_parked_events b ON b.lane = $1 AND b.position = f.waits_for'
      : 'UNION SELECT NULL, NULL FROM firsts WHERE false'
  const { rows } = await client.query<{ position: string; is_selected: boolean }>(
    `WITH RECURSIVE selected AS (SELECT k.position, k.waits_for FROM relay_parked_events k WHERE k.lane = $1 AND ${IS_PASSED} AND ${condition}),
       firsts AS (SELECT * FROM selected ${upwards}),
       work AS (SELECT position FROM firsts
         UNION SELECT k.position FROM work w JOIN relay_parked_events k ON k.lane = $1 AND k.waits_for = w.position)
     SELECT w.position::text, s.position IS NOT NULL AS is_selected FROM work w LEFT JOIN selected s USING (position)`,
    [lane, ...values],
  )
  const selected = rows.filter((row) => row.is_selected)
  const others = rows.filter((row) => !row.is_selected)
  const plan = { selected: selected.length, others: others.length }
  if (isDryRun || selected.length === 0) return { ...plan, commandId: null }
  const { rows: commands } = await client.query<{ id: string }>(
    `WITH command AS (
       INSERT INTO relay_parked_commands (lane, command, requested_by, reason, selection, events) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id),
     asked AS (UPDATE relay_parked_events SET command_id = command.id, requested = CASE WHEN position = ANY($7::bigint[]) THEN $2 ELSE 'retry' END
     FROM command WHERE lane = $1 AND position = ANY($8::bigint[]))
     SELECT id::text FROM command`,
    [
      lane,
      command,
      requestedBy,
      reason,
      JSON.stringify(selection),
      selected.length,
      selected.map((row) => row.position),
      rows.map((row) => row.position),
    ],
  )
  return { ...plan, commandId: commands[0]!.id }
}

export interface RelayCommandOutcome {
  /** Not answered by the relay yet. */
  readonly open: number
  readonly published: number
  readonly skipped: number
  /** Tried and refused again. */
  readonly refused: number
  /** Queued again behind one that stays parked. */
  readonly waiting: number
}

/** What became of a command up to now. */
export async function relayCommandOutcome(client: ClientBase, commandId: string): Promise<RelayCommandOutcome> {
  const { rows } = await client.query<RelayCommandOutcome>(
    `SELECT (SELECT count(*)::integer FROM relay_parked_results WHERE command_id = $1 AND result = 'published') AS published,
       (SELECT count(*)::integer FROM relay_parked_results WHERE command_id = $1 AND result = 'skipped') AS skipped,
       count(*) FILTER (WHERE requested IS NOT NULL)::integer AS open,
       count(*) FILTER (WHERE requested IS NULL AND error_code IS NOT NULL)::integer AS refused,
       count(*) FILTER (WHERE requested IS NULL AND error_code IS NULL)::integer AS waiting
     FROM relay_parked_events WHERE command_id = $1`,
    [commandId],
  )
  return rows[0]!
}

function conditionOf(selection: RelayParkedSelection, first: number): { condition: string; values: string[] } {
  const conditions: string[] = []
  const values: string[] = []
  const parameter = (value: string): string => `$${first + values.push(value) - 1}`
  const { eventId, aggregate, topic, error } = selection
  if (eventId !== undefined) conditions.push(`k.event_id = ${parameter(eventId)}::uuid`)
  if (aggregate) {
    const type = parameter(aggregate.type)
    const id = parameter(aggregate.id)
    conditions.push(`k.aggregate_type = ${type} AND (k.aggregate_id = ${id}::uuid OR k.other_aggregate_id = ${id}::uuid)`)
  }
  if (topic !== undefined) conditions.push(`${parameter(topic)} = ${TOPIC}`)
  if (error !== undefined) conditions.push(`${parameter(error)} IN (k.error_code, left(k.error_code, 6))`)
  return { condition: conditions.length === 0 ? 'true' : conditions.map((c) => `(${c})`).join(' AND '), values }
}

function parkedOf(lane: LaneId, row: Row): RelayParkedEvent {
  return {
    lane,
    position: positionNumber(row.position),
    eventId: row.event_id,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    otherAggregateId: row.other_aggregate_id,
    eventType: row.event_type,
    correlationId: row.correlation_id,
    waitsFor: row.waits_for === null ? null : positionNumber(row.waits_for),
    errorCode: row.error_code,
    errorMessage: row.error_message,
    attempts: row.attempts,
    parkedAt: row.parked_at,
    requested: row.requested,
  }
}

/**
 * A backfill as the store knows it: a row of `data_migration_state` of its kind, and one of `backfill_runs`.
 *
 *   requested ─▶ running ⇄ paused ─▶ completed | cancelled | failed        (failed ─▶ requested by a person)
 *
 * People write what they want; the reader of the lane acts, and answers with the status.
 */
import { type LaneId, SluiceError, type Uuid, laneId, parseUuid } from '@sluice/core'
import type { ClientBase } from 'pg'

export type BackfillStatus = 'requested' | 'running' | 'paused' | 'completed' | 'cancelled' | 'failed'

/** How much of the source and of the relay a backfill may take. */
export interface BackfillThrottle {
  /** It waits while more events than this are stored and not published. */
  readonly lagEventsMax: number
  /** It waits while more sessions than this are at work in the source. */
  readonly activeSessionsMax: number
  /** Null: as fast as it goes. */
  readonly rowsPerSecondMax: number | null
}

/** A hundredth of what a relay publishes in an hour, and a small server's worth of work. */
export const BACKFILL_THROTTLE: BackfillThrottle = { lagEventsMax: 100_000, activeSessionsMax: 16, rowsPerSecondMax: null }

/** Which rows: keys as PostgreSQL's text, first and last included. */
export interface BackfillScope {
  readonly from: readonly string[] | null
  readonly to: readonly string[] | null
  /** SQL condition over the table's columns. */
  readonly filter: string | null
}

export interface BackfillRun {
  /** Of the row in `data_migration_state`. */
  readonly id: Uuid
  readonly lane: LaneId
  /** The migration id of its events. */
  readonly run: Uuid
  /** Schema-qualified. */
  readonly table: string
  readonly status: BackfillStatus
  readonly wanted: 'run' | 'pause' | 'cancel'
  readonly scope: BackfillScope
  readonly throttle: BackfillThrottle
  /** Position of the lane when a reader took it up first. */
  readonly begunAt: bigint
  /** Last key that was passed, as the pipeline database may remember it. */
  readonly lastKey: readonly string[] | null
  readonly isRangeRead: boolean
  /** Keys that it has to pass. */
  readonly rowsEstimate: bigint
  readonly rowsRead: bigint
  readonly rowsStored: bigint
  readonly rowsDropped: bigint
  /** Keys a second lately; null before the first chunk. */
  readonly rowsPerSecond: number | null
  readonly waitsFor: string | null
  readonly error: { readonly code: string; readonly what: string; readonly why: string } | null
  readonly requestedBy: string
  readonly requestedAt: Date
  readonly startedAt: Date | null
  /** Of a run that ended. */
  readonly endedAt: Date | null
}

interface Row {
  readonly id: string
  readonly lane: number
  readonly run: string
  readonly table: string
  readonly status: BackfillStatus
  readonly wanted: 'run' | 'pause' | 'cancel'
  readonly from_key: string[] | null
  readonly to_key: string[] | null
  readonly filter: string | null
  readonly lag_events_max: string
  readonly active_sessions_max: number
  readonly rows_per_second_max: number | null
  readonly begun_at: string
  readonly last_key: string[] | null
  readonly is_range_read: boolean
  readonly estimate: string
  readonly rows_read: string
  readonly rows_stored: string
  readonly rows_dropped: string
  readonly rows_per_second: number | null
  readonly waits_for: string | null
  readonly error_details: { readonly code: string; readonly what: string; readonly why: string } | null
  readonly requested_by: string
  readonly requested_at: Date
  readonly started_at: Date | null
  readonly completed_at: Date | null
}

const SELECT = `
  SELECT m.id::text AS id, m.lane::int AS lane, m.run::text AS run, m.entity_type AS table, m.status, b.wanted, b.from_key, b.to_key,
    b.filter, b.lag_events_max::text AS lag_events_max, b.active_sessions_max, b.rows_per_second_max,
    coalesce(m.metadata ->> 'begunAt', '0') AS begun_at, m.last_processed_id AS last_key, b.is_range_read, coalesce(m.total_rows_estimate, 0)::text AS estimate,
    b.rows_read::text AS rows_read, m.total_processed::text AS rows_stored, b.rows_dropped::text AS rows_dropped, b.rows_per_second,
    b.waits_for, m.error_details, b.requested_by, b.requested_at, m.started_at, m.completed_at
  FROM data_migration_state m JOIN backfill_runs b ON b.migration_id = m.id`

/** Every backfill of a lane, the newest first. */
export async function listBackfills(client: ClientBase, lane: LaneId): Promise<readonly BackfillRun[]> {
  const { rows } = await client.query<Row>(`${SELECT} WHERE m.lane = $1 ORDER BY b.requested_at DESC, m.id`, [lane])
  return rows.map(runOf)
}

/** @throws SluiceError SLU-3005 if there is none of that id */
export async function getBackfill(client: ClientBase, id: Uuid): Promise<BackfillRun> {
  const { rows } = await client.query<Row>(`${SELECT} WHERE m.id = $1`, [id])
  if (rows[0]) return runOf(rows[0])
  throw new SluiceError('BACKFILL_UNKNOWN', {
    what: `there is no backfill ${id}`,
    why: 'the pipeline database does not have it',
    ways: ['sluice backfill list'],
  })
}

/** The one that a lane's reader is to work on: the one that is running, else the one that was requested first. */
export async function nextBackfill(client: ClientBase, lane: LaneId): Promise<BackfillRun | null> {
  const { rows } = await client.query<Row>(
    `${SELECT} WHERE m.lane = $1 AND m.status IN ('running', 'requested') ORDER BY m.status <> 'running', b.requested_at, m.id LIMIT 1`,
    [lane],
  )
  return rows[0] ? runOf(rows[0]) : null
}

function runOf(row: Row): BackfillRun {
  return {
    id: parseUuid(row.id),
    lane: laneId(row.lane),
    run: parseUuid(row.run),
    table: row.table,
    status: row.status,
    wanted: row.wanted,
    scope: { from: row.from_key, to: row.to_key, filter: row.filter },
    throttle: {
      lagEventsMax: Number(row.lag_events_max),
      activeSessionsMax: row.active_sessions_max,
      rowsPerSecondMax: row.rows_per_second_max,
    },
    begunAt: BigInt(row.begun_at),
    lastKey: row.last_key,
    isRangeRead: row.is_range_read,
    rowsEstimate: BigInt(row.estimate),
    rowsRead: BigInt(row.rows_read),
    rowsStored: BigInt(row.rows_stored),
    rowsDropped: BigInt(row.rows_dropped),
    rowsPerSecond: row.rows_per_second,
    waitsFor: row.waits_for,
    error: row.error_details,
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    startedAt: row.started_at,
    endedAt: row.completed_at,
  }
}

/**
 * Seconds until a running backfill has passed its last key, as things go; null if it can not be told. Keys are counted, not their bytes:
 * rows that grow wider take longer than those before them.
 */
export function secondsLeft(
  run: Pick<BackfillRun, 'rowsEstimate' | 'rowsRead' | 'rowsPerSecond' | 'isRangeRead' | 'throttle'>,
): number | null {
  if (run.isRangeRead) return 0
  if (run.rowsPerSecond === null || run.rowsPerSecond <= 0 || run.rowsRead >= run.rowsEstimate) return null
  // A rate that was lowered counts at once, and the first chunk, which waits for nothing, is no measure of a run that has one.
  const pace = Math.min(run.rowsPerSecond, run.throttle.rowsPerSecondMax ?? Number.POSITIVE_INFINITY)
  return Number(run.rowsEstimate - run.rowsRead) / pace
}

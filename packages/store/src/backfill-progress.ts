/** What the reader writes of a backfill: that it works on it, each chunk, and its end. */
import { type LaneId, type Lsn, SluiceError, type Uuid, formatLsn, toSluiceError } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { BackfillStatus } from './backfill-run.ts'

/** The reader takes a requested run up. False if it is not requested any more. */
export async function beginBackfill(client: ClientBase, id: Uuid): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE data_migration_state m SET status = 'running', started_at = coalesce(m.started_at, now()),
       metadata = jsonb_build_object('begunAt', l.position::text) || m.metadata
     FROM lanes l WHERE l.lane = m.lane AND m.id = $1 AND m.status = 'requested'`,
    [id],
  )
  return rowCount === 1
}

/** A running run pauses or is cancelled, if that is still wanted, or failed; its checkpoints stay. */
export async function leaveBackfill(
  client: ClientBase,
  id: Uuid,
  status: Extract<BackfillStatus, 'paused' | 'cancelled' | 'failed'>,
  error?: unknown,
): Promise<void> {
  const known = error === undefined ? null : toSluiceError(error)
  // A fault that Sluice does not know may have a message with values.
  const why = error instanceof SluiceError ? error.why : 'an unexpected fault; the log of the reader has it'
  await client.query(
    `WITH state AS (
       UPDATE data_migration_state SET status = $2, error_details = $3::jsonb,
         completed_at = CASE WHEN $2 = 'cancelled' THEN now() ELSE completed_at END
       WHERE id = $1 AND status = 'running' AND ($2 = 'failed' OR EXISTS (
         SELECT FROM backfill_runs WHERE migration_id = $1 AND wanted = CASE $2 WHEN 'paused' THEN 'pause' ELSE 'cancel' END))
       RETURNING id
     )
     UPDATE backfill_runs SET wanted = 'run', waits_for = NULL WHERE migration_id IN (SELECT id FROM state)`,
    [id, status, known === null ? null : JSON.stringify({ code: known.number, what: known.what, why })],
  )
}

/** Says why a run stands for now; null: it goes on. */
export async function noteBackfillWait(client: ClientBase, id: Uuid, waitsFor: string | null): Promise<void> {
  await client.query('UPDATE backfill_runs SET waits_for = $2 WHERE migration_id = $1', [id, waitsFor])
}

export interface BackfillChunk {
  readonly id: Uuid
  /** Of the high mark. */
  readonly lsn: Lsn
  /** Keys in order, after `from` (null: from the first) up to and with `to`. Null for keys that were read again. */
  readonly range: {
    readonly from: readonly string[] | null
    readonly to: readonly string[] | null
    /** Keys that were passed. */
    readonly rowsRead: number
    readonly isLast: boolean
  } | null
  readonly rowsStored: number
  readonly rowsDropped: number
  readonly rowsPerSecond: number | null
}

/**
 * Saves a chunk of a backfill; run it alongside the append that stores its events. A run that has passed its last key and has
 * no key to read again is completed.
 *
 * @returns true if the run is completed
 */
export async function saveBackfillChunk(client: ClientBase, chunk: BackfillChunk): Promise<boolean> {
  const { id, lsn, range, rowsStored, rowsDropped, rowsPerSecond } = chunk
  if (range) {
    const data = { kind: 'range', from: range.from, to: range.to, rows: rowsStored, dropped: rowsDropped }
    await client.query(
      'INSERT INTO migration_checkpoints (migration_id, snapshot_lsn, checkpoint_data) VALUES ($1, $2::pg_lsn, $3::jsonb)',
      [id, formatLsn(lsn), JSON.stringify(data)],
    )
    await client.query(
      `UPDATE data_migration_state SET last_processed_id = coalesce($2::text[], last_processed_id), last_processed_at = now(),
         total_processed = total_processed + $3, error_details = NULL
       WHERE id = $1`,
      [id, range.to, rowsStored],
    )
  }
  const { rowCount } = await client.query(
    `WITH saved AS (
       UPDATE backfill_runs SET rows_read = rows_read + $2, rows_dropped = rows_dropped + $3, waits_for = NULL,
         rows_per_second = coalesce($4, rows_per_second), is_range_read = is_range_read OR $5
       WHERE migration_id = $1 RETURNING is_range_read
     )
     UPDATE data_migration_state m SET status = 'completed', completed_at = now()
     WHERE m.id = $1 AND (SELECT is_range_read FROM saved) AND NOT EXISTS (${KEYS_LEFT})`,
    [id, range?.rowsRead ?? 0, rowsDropped, rowsPerSecond, range?.isLast ?? false],
  )
  return rowCount === 1
}

/** Keys that were noted more often than they were read again, as `pendingStragglers` tells them. */
const KEYS_LEFT = `
  SELECT FROM migration_checkpoints c, jsonb_array_elements(c.checkpoint_data -> 'noted') AS noted (key)
  WHERE c.migration_id = $1 AND c.checkpoint_data ->> 'kind' = 'keys' AND NOT EXISTS (
    SELECT FROM migration_checkpoints r
    WHERE r.migration_id = $1 AND r.id > c.id AND r.checkpoint_data ->> 'kind' = 'keys' AND r.checkpoint_data -> 'read' @> jsonb_build_array(noted.key))`

/** Events that are stored and not published: how far the relay is behind the lane. */
export async function unpublishedEvents(client: ClientBase, lane: LaneId): Promise<bigint> {
  const { rows } = await client.query<{ events: string }>(
    `SELECT greatest(l.position - coalesce(p.position, 0), 0)::text AS events
     FROM lanes l LEFT JOIN relay_progress p ON p.lane = l.lane WHERE l.lane = $1`,
    [lane],
  )
  return BigInt(rows[0]?.events ?? 0)
}

/** What people ask of backfills. Each request and its record are one transaction; the reader of the lane answers. */
import { randomUUID } from 'node:crypto'
import { type LaneId, SluiceError, type Uuid, parseUuid } from '@sluice/core'
import type { ClientBase } from 'pg'
import { type BackfillRun, type BackfillScope, type BackfillStatus, type BackfillThrottle, getBackfill } from './backfill-run.ts'

export interface BackfillRequest {
  readonly systemName: string
  readonly laneName: string
  readonly lane: LaneId
  /** Schema-qualified. */
  readonly table: string
  readonly scope: BackfillScope
  readonly throttle: BackfillThrottle
  readonly rowsEstimate: bigint
  readonly requestedBy: string
}

/** Writes a backfill down; the reader takes it up when those before it have ended. */
export async function requestBackfill(client: ClientBase, request: BackfillRequest): Promise<BackfillRun> {
  const { systemName, laneName, lane, table, scope, throttle, rowsEstimate, requestedBy } = request
  const run = parseUuid(randomUUID())
  const { rows } = await client.query<{ id: string }>(
    `WITH state AS (
       INSERT INTO data_migration_state (migration_name, lane, run, entity_type, load_order, total_rows_estimate, kind, status)
       VALUES ($1, $2, $3, $4, 1, $5, 'backfill', 'requested') RETURNING id
     ), asked AS (
       INSERT INTO backfill_runs (migration_id, requested_by, from_key, to_key, filter, lag_events_max, active_sessions_max,
         rows_per_second_max)
       SELECT id, $6, $7::text[], $8::text[], $9, $10, $11, $12 FROM state
     ), record AS (
       INSERT INTO backfill_commands (migration_id, command, requested_by, details) SELECT id, 'start', $6, $13::jsonb FROM state
     )
     SELECT id::text AS id FROM state`,
    [
      `${systemName}/${laneName}/${table}/${run}`,
      lane,
      run,
      table,
      String(rowsEstimate),
      requestedBy,
      scope.from,
      scope.to,
      scope.filter,
      String(throttle.lagEventsMax),
      throttle.activeSessionsMax,
      throttle.rowsPerSecondMax,
      JSON.stringify({ table, ...scope, ...throttle }),
    ],
  )
  return getBackfill(client, parseUuid(rows[0]!.id))
}

export type BackfillAsk = 'pause' | 'resume' | 'cancel'

/**
 * What becomes of a run: `status` at once where no reader works on it, else `wanted`, which its reader answers after the
 * chunk at hand.
 */
const ANSWERS: Readonly<Record<BackfillAsk, Partial<Record<BackfillStatus, { status?: BackfillStatus; wanted: string }>>>> = {
  pause: { requested: { status: 'paused', wanted: 'run' }, running: { wanted: 'pause' } },
  resume: {
    running: { wanted: 'run' },
    paused: { status: 'requested', wanted: 'run' },
    failed: { status: 'requested', wanted: 'run' },
  },
  cancel: {
    requested: { status: 'cancelled', wanted: 'run' },
    running: { wanted: 'cancel' },
    paused: { status: 'cancelled', wanted: 'run' },
    failed: { status: 'cancelled', wanted: 'run' },
  },
}

/**
 * Asks for a run to pause, to go on or to end.
 *
 * @throws SluiceError SLU-3005 if there is none of that id, SLU-3006 if its status does not allow it
 */
export async function askBackfill(client: ClientBase, id: Uuid, ask: BackfillAsk, requestedBy: string): Promise<BackfillRun> {
  const run = await getBackfill(client, id)
  const answer = ANSWERS[ask][run.status]
  if (!answer) {
    throw new SluiceError('BACKFILL_ENDED', {
      what: `backfill ${id} can not ${ask}`,
      why: `it is ${run.status}`,
      ways: ['sluice backfill list'],
    })
  }
  const { rowCount } = await client.query(
    `WITH state AS (
       UPDATE data_migration_state SET status = coalesce($3, status), error_details = NULL,
         completed_at = CASE WHEN $3 = 'cancelled' THEN now() ELSE completed_at END
       WHERE id = $1 AND status = $2 RETURNING id
     ), asked AS (
       UPDATE backfill_runs SET wanted = $4, waits_for = NULL WHERE migration_id IN (SELECT id FROM state)
     )
     INSERT INTO backfill_commands (migration_id, command, requested_by) SELECT id, $5, $6 FROM state`,
    [id, run.status, answer.status ?? null, answer.wanted, ask, requestedBy],
  )
  // It moved on meanwhile: what is asked for is judged anew by where it stands now.
  if (rowCount !== 1) return askBackfill(client, id, ask, requestedBy)
  return getBackfill(client, id)
}

/** Changes how much a run may take; it holds from the next chunk on. @throws SluiceError SLU-3005 */
export async function throttleBackfill(
  client: ClientBase,
  id: Uuid,
  throttle: Partial<BackfillThrottle>,
  requestedBy: string,
): Promise<BackfillRun> {
  const { throttle: before } = await getBackfill(client, id)
  const { lagEventsMax, activeSessionsMax, rowsPerSecondMax } = { ...before, ...throttle }
  await client.query(
    `WITH asked AS (
       UPDATE backfill_runs SET lag_events_max = $2, active_sessions_max = $3, rows_per_second_max = $4 WHERE migration_id = $1
       RETURNING migration_id
     )
     INSERT INTO backfill_commands (migration_id, command, requested_by, details) SELECT migration_id, 'throttle', $5, $6::jsonb FROM asked`,
    [id, String(lagEventsMax), activeSessionsMax, rowsPerSecondMax, requestedBy, JSON.stringify(throttle)],
  )
  return getBackfill(client, id)
}

/**
 * How far an initial load or backfill is: a row a table and run (`data_migration_state`), a row a chunk
 * (`migration_checkpoints`). Checkpoints are saved in the transaction that stores the chunk's events.
 */
import { type LaneId, type Lsn, SluiceError, type Uuid, formatLsn, parseLsn, parseUuid } from '@sluice/core'
import type { ClientBase } from 'pg'

export type LoadStatus = 'pending' | 'running' | 'completed' | 'failed'

export interface TableLoad {
  readonly id: Uuid
  readonly lane: LaneId
  readonly run: Uuid
  /** Schema-qualified. */
  readonly table: string
  /** Place in the order of the load: parents before children. */
  readonly loadOrder: number
  /** Key of the last row stored in key order, as PostgreSQL's text; null before the first. */
  readonly lastKey: readonly string[] | null
  readonly rowsEstimate: bigint | null
  readonly rowsStored: bigint
  readonly status: LoadStatus
  /** When its first rows were stored; null before that. */
  readonly startedAt: Date | null
  /** When it was loaded whole; null until then. */
  readonly completedAt: Date | null
  /** LSN of the snapshot that the last chunk was read under. */
  readonly lastSnapshotLsn: Lsn | null
  /** SQL of the publication's row filter that the table is read with; null: every row. */
  readonly rowFilter: string | null
}

export interface PlannedTable {
  readonly table: string
  readonly rowsEstimate: bigint | null
  readonly rowFilter: string | null
}

export interface LoadPlan {
  readonly systemName: string
  readonly laneName: string
  readonly lane: LaneId
  readonly run: Uuid
  /** In the order of the load. */
  readonly tables: readonly PlannedTable[]
}

/** Writes down the tables of a run, in order, before anything is read. */
export async function planLoad(client: ClientBase, plan: LoadPlan): Promise<readonly TableLoad[]> {
  await client.query(
    `INSERT INTO data_migration_state (migration_name, lane, run, entity_type, load_order, total_rows_estimate, metadata)
     SELECT $1 || '/' || t.name || '/' || $3::uuid::text, $2, $3::uuid, t.name, t.place, t.estimate,
       jsonb_strip_nulls(jsonb_build_object('rowFilter', t.filter))
     FROM unnest($4::text[], $5::bigint[], $6::text[]) WITH ORDINALITY AS t (name, estimate, filter, place)`,
    [
      `${plan.systemName}/${plan.laneName}`,
      plan.lane,
      plan.run,
      plan.tables.map((t) => t.table),
      plan.tables.map((t) => (t.rowsEstimate === null ? null : String(t.rowsEstimate))),
      plan.tables.map((t) => t.rowFilter),
    ],
  )
  return loadProgress(client, plan.lane, plan.run)
}

/** The tables of a run in the order of the load; without `run`, every load of the lane. Backfills are no loads. */
export async function loadProgress(client: ClientBase, lane: LaneId, run?: Uuid): Promise<readonly TableLoad[]> {
  const { rows } = await client.query<LoadRow>(
    `SELECT m.id, m.run, m.entity_type, m.load_order, m.last_processed_id, m.total_rows_estimate::text AS estimate,
       m.total_processed::text AS processed, m.status, m.started_at, m.completed_at, m.metadata ->> 'rowFilter' AS row_filter,
       (SELECT c.snapshot_lsn::text FROM migration_checkpoints c WHERE c.migration_id = m.id ORDER BY c.id DESC LIMIT 1) AS snapshot_lsn
     FROM data_migration_state m WHERE m.lane = $1 AND m.kind = 'load' AND ($2::uuid IS NULL OR m.run = $2) ORDER BY m.run, m.load_order`,
    [lane, run ?? null],
  )
  return rows.map((row) => tableLoadOf(lane, row))
}

/** Chunks that tell how fast a load goes lately. */
const RATE_CHUNKS = 200

/**
 * Seconds until the loads of a lane that have not ended are stored, at the rate of their last chunks up to now; null where that can not be
 * told: before the second chunk, or where nobody knows how many rows a table has.
 */
export async function loadSecondsLeft(client: ClientBase, lane: LaneId): Promise<number | null> {
  const { rows } = await client.query<{ seconds: number | null }>(
    `WITH unfinished AS (
       SELECT run, count(*) FILTER (WHERE coalesce(total_rows_estimate, 0) <= 0) AS unknown,
         sum(greatest(total_rows_estimate - total_processed, 0)) AS rows_left
       FROM data_migration_state WHERE lane = $1 AND kind = 'load' AND status <> 'completed' GROUP BY run),
     chunk AS (
       SELECT c.created_at, (c.checkpoint_data ->> 'rows')::bigint AS rows
       FROM migration_checkpoints c JOIN data_migration_state m ON m.id = c.migration_id
       WHERE m.lane = $1 AND m.kind = 'load' AND m.run IN (SELECT run FROM unfinished) ORDER BY c.id DESC LIMIT ${RATE_CHUNKS}),
     begun AS (SELECT min(created_at) AS at FROM chunk),
     lately AS (
       SELECT sum(chunk.rows) AS rows, extract(epoch FROM clock_timestamp() - min(begun.at)) AS seconds
       FROM chunk, begun WHERE chunk.created_at > begun.at)
     SELECT (u.rows_left * l.seconds / nullif(l.rows, 0))::float8 AS seconds FROM unfinished u, lately l WHERE u.unknown = 0`,
    [lane],
  )
  return rows[0]?.seconds ?? null
}

interface LoadRow {
  readonly id: string
  readonly run: string
  readonly entity_type: string
  readonly load_order: number
  readonly last_processed_id: string[] | null
  readonly estimate: string | null
  readonly processed: string
  readonly status: LoadStatus
  readonly started_at: Date | null
  readonly completed_at: Date | null
  readonly snapshot_lsn: string | null
  readonly row_filter: string | null
}

function tableLoadOf(lane: LaneId, row: LoadRow): TableLoad {
  return {
    id: parseUuid(row.id),
    lane,
    run: parseUuid(row.run),
    table: row.entity_type,
    loadOrder: row.load_order,
    lastKey: row.last_processed_id,
    rowsEstimate: row.estimate === null ? null : BigInt(row.estimate),
    rowsStored: BigInt(row.processed),
    status: row.status,
    startedAt: row.started_at,
    completedAt: row.completed_at,
    lastSnapshotLsn: row.snapshot_lsn === null ? null : parseLsn(row.snapshot_lsn),
    rowFilter: row.row_filter,
  }
}

export interface Checkpoint {
  readonly migrationId: Uuid
  readonly snapshotLsn: Lsn
  /**
   * `range`: rows in key order, after `from` (null: from the first) up to and with `to`; moves the table's last key.
   * `keys`: rows that were read again by key; moves nothing.
   */
  readonly kind: 'range' | 'keys'
  readonly from: readonly string[] | null
  readonly to: readonly string[]
  readonly rows: number
}

/** Saves a chunk; run it alongside the append that stores its events. */
export async function saveCheckpoint(client: ClientBase, checkpoint: Checkpoint): Promise<void> {
  const { migrationId, snapshotLsn, kind, from, to, rows } = checkpoint
  const saved = await client.query(
    `WITH chunk AS (
       INSERT INTO migration_checkpoints (migration_id, snapshot_lsn, checkpoint_data) VALUES ($1, $2::pg_lsn, $3::jsonb)
     )
     UPDATE data_migration_state SET
       last_processed_id = CASE WHEN $4 THEN $5::text[] ELSE last_processed_id END,
       last_processed_at = now(), total_processed = total_processed + $6,
       status = CASE status WHEN 'completed' THEN status ELSE 'running' END, error_details = NULL,
       started_at = coalesce(started_at, now())
     WHERE id = $1`,
    [migrationId, formatLsn(snapshotLsn), JSON.stringify({ from, to, rows, kind }), kind === 'range', to, rows],
  )
  if (saved.rowCount !== 1) throw new Error(`there is no load ${migrationId}`)
}

/** Marks a table as loaded whole. */
export async function completeTable(client: ClientBase, migrationId: Uuid): Promise<void> {
  await client.query(
    `UPDATE data_migration_state SET status = 'completed', started_at = coalesce(started_at, now()), completed_at = now(),
       error_details = NULL
     WHERE id = $1`,
    [migrationId],
  )
}

/** Notes why a table's load stopped; its checkpoints stay, and the next start goes on from them. */
export async function failTable(client: ClientBase, migrationId: Uuid, error: unknown): Promise<void> {
  const details =
    error instanceof SluiceError
      ? { code: error.number, what: error.what, why: error.why }
      : { code: 'SLU-1999', what: 'an unexpected fault' }
  await client.query(`UPDATE data_migration_state SET status = 'failed', error_details = $2::jsonb WHERE id = $1`, [
    migrationId,
    JSON.stringify(details),
  ])
}

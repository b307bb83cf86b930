/**
 * What the relay leaves in the store for people and views: how far each lane is published, and what was refused. The truth
 * about what is published is the control topic.
 */
import { type LaneId, type PositionNumber, positionNumber, SluiceError } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface RelayProgress {
  readonly lane: LaneId
  readonly position: PositionNumber
  readonly clusterId: string
  readonly updatedAt: Date
}

export async function relayProgress(client: ClientBase, lane: LaneId): Promise<RelayProgress | null> {
  const { rows } = await client.query<{ position: string; cluster_id: string; updated_at: Date }>(
    'SELECT position::text AS position, cluster_id, updated_at FROM relay_progress WHERE lane = $1',
    [lane],
  )
  const [row] = rows
  return row ? { lane, position: positionNumber(row.position), clusterId: row.cluster_id, updatedAt: row.updated_at } : null
}

export interface PublishedBatch {
  readonly lane: LaneId
  readonly first: PositionNumber
  readonly last: PositionNumber
  readonly clusterId: string
  /** Stands in `service_processing_log`. */
  readonly serviceName: string
  /** From the read of the batch to Kafka's commit. */
  readonly elapsedMs: number
}

/**
 * Moves a lane's progress and writes the batch into the processing log. A position never goes back on the same cluster, so
 * a relay that was fenced and is late changes nothing.
 */
export async function recordPublished(client: ClientBase, batch: PublishedBatch): Promise<void> {
  await client.query(
    `WITH progress AS (
       INSERT INTO relay_progress AS p (lane, position, cluster_id) VALUES ($1, $3, $4)
       ON CONFLICT (lane) DO UPDATE SET position = EXCLUDED.position, cluster_id = EXCLUDED.cluster_id, updated_at = now()
       WHERE p.position <= EXCLUDED.position OR p.cluster_id <> EXCLUDED.cluster_id
     )
     INSERT INTO processing_batches (stage, service_name, lane, first_position, last_position, started_at, finished_at)
     VALUES ('relay', $5, $1, $2, $3, clock_timestamp() - $6 * interval '1 millisecond', clock_timestamp())`,
    [batch.lane, String(batch.first), String(batch.last), batch.clusterId, batch.serviceName, batch.elapsedMs],
  )
}

/** Sets a lane's progress to what the control topic says, at the start of a relay. */
export async function restoreRelayProgress(
  client: ClientBase,
  progress: Pick<RelayProgress, 'lane' | 'position' | 'clusterId'>,
): Promise<void> {
  await client.query(
    `INSERT INTO relay_progress (lane, position, cluster_id) VALUES ($1, $2, $3)
     ON CONFLICT (lane) DO UPDATE SET position = EXCLUDED.position, cluster_id = EXCLUDED.cluster_id, updated_at = now()`,
    [progress.lane, String(progress.position), progress.clusterId],
  )
}

/** Notes that Kafka or the registry refused an event; counts the attempts. The row stays, as the event's history. */
export async function recordRelayFailure(
  client: ClientBase,
  lane: LaneId,
  position: PositionNumber,
  error: SluiceError,
): Promise<void> {
  await client.query(
    `INSERT INTO relay_failures AS f (lane, position, attempts, error_code, error_message) VALUES ($1, $2, 1, $3, $4)
     ON CONFLICT (lane, position) DO UPDATE SET attempts = f.attempts + 1, error_code = EXCLUDED.error_code,
       error_message = EXCLUDED.error_message, last_failed_at = now()`,
    [lane, String(position), error.number, `${error.what}: ${error.why}`],
  )
}

export interface RelayFailure {
  readonly lane: LaneId
  readonly position: PositionNumber
  readonly attempts: number
  readonly errorCode: string
  readonly errorMessage: string
  readonly firstFailedAt: Date
  readonly lastFailedAt: Date
}

/** Events that stand as failed now: refused, and not published since. */
export async function relayFailures(client: ClientBase, lane: LaneId): Promise<readonly RelayFailure[]> {
  const { rows } = await client.query<{
    position: string
    attempts: number
    error_code: string
    error_message: string
    first_failed_at: Date
    last_failed_at: Date
  }>(
    `SELECT f.position::text AS position, f.attempts, f.error_code, f.error_message, f.first_failed_at, f.last_failed_at
     FROM relay_failures f LEFT JOIN relay_progress p ON p.lane = f.lane
     WHERE f.lane = $1 AND f.position > coalesce(p.position, 0) ORDER BY f.position`,
    [lane],
  )
  return rows.map((row) => ({
    lane,
    position: positionNumber(row.position),
    attempts: row.attempts,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    firstFailedAt: row.first_failed_at,
    lastFailedAt: row.last_failed_at,
  }))
}

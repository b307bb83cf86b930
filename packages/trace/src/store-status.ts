/** What the pipeline database says of a lane, and how long the first event after a position waits. */
import { type LaneId, formatLsn } from '@sluice/core'
import {
  type LaneRecord,
  countParkedMessages,
  countRelayParked,
  durableLsnOf,
  getLane,
  listBackfills,
  loadProgress,
  loadSecondsLeft,
  relayFailures,
  relayParked,
  relayProgress,
  secondsLeft,
} from '@sluice/store'
import type { ClientBase } from 'pg'
import type { RelayStatus, RunningBackfill, StoreStatus } from './status-report.ts'

export interface LaneFacts {
  readonly record: LaneRecord
  readonly status: StoreStatus
  /** Seconds since the last commit that was stored, and since the lane's row moved at all. */
  readonly commitAge: number | null
  readonly rowAge: number
  /** The store's copy of what is published. */
  readonly published: bigint
  readonly failing: RelayStatus['failing']
  readonly parked: NonNullable<RelayStatus['parked']>
}

interface AgesRow {
  readonly last_commit_at: Date | null
  readonly updated_at: Date
  readonly commit_age: number | null
  readonly row_age: number
}

const AGES = `
SELECT c.committed_at AS last_commit_at, l.updated_at,
  extract(epoch FROM clock_timestamp() - c.committed_at)::float8 AS commit_age,
  extract(epoch FROM clock_timestamp() - l.updated_at)::float8 AS row_age
FROM lanes l LEFT JOIN event_commits c ON c.lane = l.lane AND c.last_position = l.position
WHERE l.lane = $1`

/** @throws SluiceError SLU-3002 if the lane has not begun */
export async function laneFacts(client: ClientBase, system: string, lane: string): Promise<LaneFacts> {
  const record = await getLane(client, system, lane)
  const { rows } = await client.query<AgesRow>(AGES, [record.lane])
  const ages = rows[0]!
  const relay = await relayProgress(client, record.lane)
  const [failure] = await relayFailures(client, record.lane)
  const [parked] = await relayParked(client, record.lane, { limit: 1 })
  const load = await loadProgress(client, record.lane)
  return {
    record,
    status: {
      phase: record.phase,
      position: record.position,
      link: record.link,
      storedLsn: formatLsn(record.storedLsn),
      durableLsn: formatLsn(durableLsnOf(record)),
      lastCommitAt: ages.last_commit_at?.toISOString() ?? null,
      updatedAt: ages.updated_at.toISOString(),
      load: load.map((l) => ({ table: l.table, status: l.status, rows: l.rowsStored, estimate: l.rowsEstimate })),
      loadSecondsLeft: await loadSecondsLeft(client, record.lane),
      backfills: await runningBackfills(client, record.lane),
      parkedMessages: await countParkedMessages(client, record.lane),
    },
    commitAge: ages.commit_age,
    rowAge: ages.row_age,
    published: relay?.position ?? 0n,
    failing: failure
      ? { position: failure.position, attempts: failure.attempts, error: `${failure.errorCode} ${failure.errorMessage}` }
      : null,
    parked: {
      events: await countRelayParked(client, record.lane),
      error: parked ? `${parked.errorCode ?? ''} ${parked.errorMessage}`.trim() : null,
    },
  }
}

async function runningBackfills(client: ClientBase, lane: LaneId): Promise<readonly RunningBackfill[]> {
  const runs = await listBackfills(client, lane)
  return runs
    .filter(({ status }) => status !== 'completed' && status !== 'cancelled')
    .map((run) => ({
      id: run.id,
      table: run.table,
      status: run.status,
      rowsRead: run.rowsRead,
      rowsEstimate: run.rowsEstimate,
      rowsPerSecond: run.rowsPerSecond,
      secondsLeft: run.status === 'running' ? secondsLeft(run) : null,
      waitsFor: run.waitsFor,
    }))
}

/**
 * Age in seconds of the first commit that ends after a position: since the source committed it, or since it was stored.
 * 0 if there is none.
 */
export async function ageAfter(
  client: ClientBase,
  lane: LaneId,
  position: bigint,
  since: 'committed' | 'stored',
): Promise<number> {
  const { rows } = await client.query<{ committed: number; stored: number }>(
    `SELECT extract(epoch FROM clock_timestamp() - committed_at)::float8 AS committed,
       extract(epoch FROM clock_timestamp() - stored_at)::float8 AS stored
     FROM event_commits WHERE lane = $1 AND last_position > $2 ORDER BY last_position LIMIT 1`,
    [lane, String(position)],
  )
  return rows[0] ? Math.max(0, rows[0][since]) : 0
}

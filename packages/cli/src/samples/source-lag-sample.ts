/**
 * How old what is stored of a lane is, while the source has more. The source is asked first, so that what is stored
 * meanwhile counts as stored.
 */
import type { PostgresTarget } from '@sluice/postgres'
import type { Metrics } from '@sluice/telemetry'
import { formatBytes, formatSeconds } from '../table.ts'
import { type Sample, ageCheck } from './sample.ts'

export interface SourceLagPlace {
  readonly system: string
  readonly lane: string
  readonly source: PostgresTarget
  readonly pipeline: PostgresTarget
}

interface LagRow {
  /** Bytes of WAL after what is durable in the store; 0 or less while nothing waits. */
  readonly behind: number
  readonly age: number
}

const WAL_END = `
  SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END::text AS wal_end`

/**
 * What was stored last tells the age: a commit, or the row's last move where a position without events was recorded since.
 */
const LAG = `
  SELECT pg_wal_lsn_diff($1::pg_lsn, greatest(l.stored_lsn, l.keepalive_lsn))::float8 AS behind,
    extract(epoch FROM clock_timestamp() -
      CASE WHEN coalesce(l.keepalive_lsn > l.stored_lsn, false) THEN l.updated_at ELSE coalesce(c.committed_at, l.updated_at) END
    )::float8 AS age
  FROM lanes l LEFT JOIN event_commits c ON c.lane = l.lane AND c.last_position = l.position
  WHERE l.system_name = $2 AND l.lane_name = $3`

export function sampleSourceLag(metrics: Metrics, { system, lane, source, pipeline }: SourceLagPlace): Sample {
  const name = `source.${lane}`
  const clear = (): void => metrics.sourceLagSeconds.clear({ lane })
  return {
    name,
    clear,
    look: async (onDatabase) => {
      const ends = await onDatabase(source, (client) => client.query<{ wal_end: string }>(WAL_END, []))
      const { rows } = await onDatabase(pipeline, (client) => client.query<LagRow>(LAG, [ends.rows[0]?.wal_end, system, lane]))
      const row = rows[0]
      if (!row) {
        clear()
        return [{ name, status: 'ok', summary: 'the lane has not begun' }]
      }
      const seconds = row.behind > 0 ? Math.max(0, row.age) : 0
      metrics.sourceLagSeconds.set({ lane }, seconds)
      const summary = `${formatBytes(Math.max(0, row.behind))} of WAL are not stored, the last that is stored is ${formatSeconds(Math.max(0, row.age))} old`
      return [ageCheck(name, summary, seconds)]
    },
  }
}

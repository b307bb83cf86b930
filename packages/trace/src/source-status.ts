/** WAL end and slot of a lane's source, asked of the database itself, so that they are there when the reader is not. */
import type { LaneDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { SourceStatus } from './status-report.ts'

interface SourceRow {
  readonly wal_end: string
  readonly slot_name: string | null
  readonly active: boolean
  readonly wal_status: string | null
  readonly retained: string | null
  readonly unconfirmed: string | null
  readonly safe: string | null
}

/** https://www.postgresql.org/docs/current/view-pg-replication-slots.html; a lost slot has no restart_lsn. */
const SOURCE = `
WITH wal AS (
  SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS wal_end
)
SELECT wal_end::text, s.slot_name, coalesce(s.active, false) AS active, s.wal_status,
  pg_wal_lsn_diff(wal_end, s.restart_lsn)::bigint::text AS retained,
  pg_wal_lsn_diff(wal_end, s.confirmed_flush_lsn)::bigint::text AS unconfirmed,
  s.safe_wal_size::text AS safe
FROM wal LEFT JOIN pg_replication_slots s ON s.slot_name = $1 AND s.database = current_database()`

export async function sourceStatus(client: ClientBase, lane: LaneDefinition): Promise<SourceStatus> {
  const { rows } = await client.query<SourceRow>(SOURCE, [lane.slotName])
  const row = rows[0]!
  if (row.slot_name === null) return { walEnd: row.wal_end, slot: null }
  return {
    walEnd: row.wal_end,
    slot: {
      name: row.slot_name,
      isActive: row.active,
      walStatus: row.wal_status,
      retainedBytes: BigInt(row.retained ?? 0),
      unconfirmedBytes: BigInt(row.unconfirmed ?? 0),
      safeBytes: row.safe === null ? null : BigInt(row.safe),
    },
  }
}

import { type Lsn, parseLsn } from '@sluice/core'
import type { ClientBase } from 'pg'

/** Where the WAL ends that the source has on disk; of a standby, what it has received. */
export async function sourceWalEnd(control: ClientBase): Promise<Lsn> {
  const { rows } = await control.query<{ wal_end: string }>(
    `SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
       ELSE pg_current_wal_flush_lsn() END::text AS wal_end`,
  )
  return parseLsn(rows[0]!.wal_end)
}

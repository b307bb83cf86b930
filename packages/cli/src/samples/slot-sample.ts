/** What a lane's slot keeps and how near its loss is, asked of the source: so it is there while no reader is connected. */
import type { PostgresTarget } from '@sluice/postgres'
import type { Metrics } from '@sluice/telemetry'
import { formatBytes } from '../table.ts'
import type { Sample } from './sample.ts'

interface SlotRow {
  readonly active: boolean
  readonly wal_status: string | null
  readonly retained: number
  readonly unconfirmed: number
  readonly safe: number | null
}

/** https://www.postgresql.org/docs/current/view-pg-replication-slots.html */
const SLOT = `
  SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 AS retained,
    pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8 AS unconfirmed, safe_wal_size::float8 AS safe
  FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`

export function sampleSlot(metrics: Metrics, lane: string, slot: string, source: PostgresTarget): Sample {
  const name = `slot.${lane}`
  const gauges = [metrics.slotActive, metrics.slotRetainedWalBytes, metrics.slotUnconfirmedWalBytes, metrics.slotSafeWalBytes]
  const clear = (): void => {
    for (const gauge of gauges) gauge.clear({ slot })
  }
  return {
    name,
    clear,
    look: async (onDatabase) => {
      const { rows } = await onDatabase(source, (client) => client.query<SlotRow>(SLOT, [slot]))
      const row = rows[0]
      if (!row) {
        clear()
        return [{ name, status: 'warning', summary: `slot "${slot}" does not exist`, fix: ['sluice status'] }]
      }
      metrics.slotActive.set({ slot }, row.active ? 1 : 0)
      metrics.slotRetainedWalBytes.set({ slot }, row.retained)
      metrics.slotUnconfirmedWalBytes.set({ slot }, row.unconfirmed)
      // Without a limit there is no number: the disk is the limit.
      if (row.safe === null) metrics.slotSafeWalBytes.clear({ slot })
      else metrics.slotSafeWalBytes.set({ slot }, row.safe)
      const isSafe = row.wal_status !== 'unreserved' && row.wal_status !== 'lost'
      const summary = `${row.active ? 'read' : 'not read'}, keeps ${formatBytes(row.retained)} of WAL, wal_status ${row.wal_status ?? 'unknown'}`
      return [{ name, status: isSafe ? 'ok' : 'failed', summary, ...(isSafe ? {} : { fix: ['sluice doctor'] }) }]
    },
  }
}

/** What is looked at of each stage: one statement, its metrics, its check. */
import type { HealthCheck } from '@sluice/core'
import type { Metrics } from '@sluice/telemetry'
import { formatBytes, formatCount, formatSeconds } from './table.ts'

/** The part of a database client that a sample uses. */
export interface SampleClient {
  query<Row extends object>(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly Row[] }>
}

export interface Sample {
  read(client: SampleClient): Promise<readonly HealthCheck[]>
  /** The values are not known any more. */
  clear(): void
}

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

export function sampleSlot(metrics: Metrics, name: string, slot: string): Sample {
  const gauges = [metrics.slotActive, metrics.slotRetainedWalBytes, metrics.slotUnconfirmedWalBytes, metrics.slotSafeWalBytes]
  const clear = (): void => {
    for (const gauge of gauges) gauge.clear({ slot })
  }
  return {
    clear,
    read: async (client) => {
      const { rows } = await client.query<SlotRow>(SLOT, [slot])
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

interface OutboxRow {
  readonly pending: number
  readonly age: number
}

const OUTBOX = `
  SELECT greatest(l.position - coalesce(r.position, 0), 0)::float8 AS pending,
    coalesce((SELECT extract(epoch FROM clock_timestamp() - c.stored_at) FROM event_commits c
      WHERE c.lane = l.lane AND c.last_position > coalesce(r.position, 0) ORDER BY c.last_position LIMIT 1), 0)::float8 AS age
  FROM lanes l LEFT JOIN relay_progress r ON r.lane = l.lane WHERE l.system_name = $1 AND l.lane_name = $2`

export function sampleOutbox(metrics: Metrics, name: string, system: string, lane: string): Sample {
  const clear = (): void => {
    metrics.outboxPendingEvents.clear({ lane })
    metrics.outboxOldestEventAgeSeconds.clear({ lane })
  }
  return {
    clear,
    read: async (client) => {
      const { rows } = await client.query<OutboxRow>(OUTBOX, [system, lane])
      const row = rows[0]
      if (!row) {
        clear()
        return [{ name, status: 'ok', summary: 'the lane has not begun' }]
      }
      metrics.outboxPendingEvents.set({ lane }, row.pending)
      metrics.outboxOldestEventAgeSeconds.set({ lane }, row.age)
      const summary = `${formatCount(row.pending)} events wait, the oldest for ${formatSeconds(row.age)}`
      return [{ name, status: row.age > 60 ? 'warning' : 'ok', summary, ...(row.age > 60 ? { fix: ['sluice status'] } : {}) }]
    },
  }
}

export function sampleParked(metrics: Metrics, name: string, service: string): Sample {
  return {
    clear: () => metrics.parkedEvents.clear({ projector: service }),
    read: async (client) => {
      const { rows } = await client.query<{ parked: number }>('SELECT count(*)::int AS parked FROM public.parked_events', [])
      const parked = rows[0]?.parked ?? 0
      metrics.parkedEvents.set({ projector: service }, parked)
      if (parked === 0) return [{ name, status: 'ok', summary: 'no event is parked' }]
      return [{ name, status: 'warning', summary: `${parked} events are parked`, fix: [`sluice parked list ${service}`] }]
    },
  }
}

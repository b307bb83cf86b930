/** What of a lane is stored and not published. */
import type { HealthCheck } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import type { Metrics } from '@sluice/telemetry'
import { formatCount, formatSeconds } from '../table.ts'
import { type Sample, ageCheck } from './sample.ts'

interface OutboxRow {
  readonly pending: number
  readonly age: number
  readonly parked: number
}

const OUTBOX = `
  SELECT greatest(l.position - coalesce(r.position, 0), 0)::float8 AS pending,
    coalesce((SELECT extract(epoch FROM clock_timestamp() - c.stored_at) FROM event_commits c
      WHERE c.lane = l.lane AND c.last_position > coalesce(r.position, 0) ORDER BY c.last_position LIMIT 1), 0)::float8 AS age,
    (SELECT count(*) FROM relay_parked_events k WHERE k.lane = l.lane AND k.position <= coalesce(r.position, 0))::integer AS parked
  FROM lanes l LEFT JOIN relay_progress r ON r.lane = l.lane WHERE l.system_name = $1 AND l.lane_name = $2`

export function sampleOutbox(metrics: Metrics, system: string, lane: string, pipeline: PostgresTarget): Sample {
  const name = `outbox.${lane}`
  const clear = (): void => {
    metrics.outboxPendingEvents.clear({ lane })
    metrics.outboxOldestEventAgeSeconds.clear({ lane })
    metrics.relayParkedEvents.clear({ lane })
  }
  return {
    name,
    clear,
    look: async (onDatabase) => {
      const { rows } = await onDatabase(pipeline, (client) => client.query<OutboxRow>(OUTBOX, [system, lane]))
      const row = rows[0]
      if (!row) {
        clear()
        return [{ name, status: 'ok', summary: 'the lane has not begun' }]
      }
      metrics.outboxPendingEvents.set({ lane }, row.pending)
      metrics.outboxOldestEventAgeSeconds.set({ lane }, row.age)
      metrics.relayParkedEvents.set({ lane }, row.parked)
      return [
        ageCheck(name, `${formatCount(row.pending)} events wait, the oldest for ${formatSeconds(row.age)}`, row.age),
        parkedCheck(lane, row.parked),
      ]
    },
  }
}

/** Parked events never change readiness: they hold back their own keys only. */
function parkedCheck(lane: string, parked: number): HealthCheck {
  const name = `relay-parked.${lane}`
  if (parked === 0) return { name, status: 'ok', summary: 'no event is parked at the relay' }
  const summary = `${formatCount(parked)} events are parked at the relay`
  return { name, status: 'warning', summary, fix: [`sluice parked list ${lane} --relay`] }
}

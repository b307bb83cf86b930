/** How many events a service refused. */
import type { PostgresTarget } from '@sluice/postgres'
import type { Metrics } from '@sluice/telemetry'
import type { Sample } from './sample.ts'

export function sampleParked(metrics: Metrics, service: string, target: PostgresTarget): Sample {
  const name = `parked.${service}`
  return {
    name,
    clear: () => metrics.parkedEvents.clear({ projector: service }),
    look: async (onDatabase) => {
      const { rows } = await onDatabase(target, (client) =>
        client.query<{ parked: number }>('SELECT count(*)::int AS parked FROM public.parked_events', []),
      )
      const parked = rows[0]?.parked ?? 0
      metrics.parkedEvents.set({ projector: service }, parked)
      if (parked === 0) return [{ name, status: 'ok', summary: 'no event is parked' }]
      return [{ name, status: 'warning', summary: `${parked} events are parked`, fix: [`sluice parked list ${service}`] }]
    },
  }
}

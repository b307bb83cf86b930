/** What a service did with the events of a trace, as its own database says. */
import { type LaneDefinition, type SystemDefinition, lanesOf, subscriptionsOf } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { StoredTraceEvent } from './stored-trace.ts'

export interface ServiceStage {
  readonly service: string
  /** `parked`: the service refused it, or it waits behind one that was refused. `pending`: it is on its way. */
  readonly status: 'applied' | 'parked' | 'pending'
  /** null while pending, and where the log of that time was pruned. */
  readonly at: string | null
  /** Error code of a parked event. */
  readonly error: string | null
}

interface StageRow {
  readonly event_id: string
  readonly applied_at: Date | null
  readonly error_code: string | null
}

interface LaneRow {
  readonly lane_name: string
  readonly applied: string
  readonly pruned: string
}

/**
 * A batch is found by the time that it and what it applied carry, since those of members that share the work overlap; else by the
 * indexed end of its positions.
 */
const STAGES = `
SELECT ids.event_id, coalesce(own.finished_at, b.finished_at, p.processed_at) AS applied_at, k.error_code
FROM unnest($1::uuid[]) AS ids (event_id)
LEFT JOIN public.processed_events p ON p.event_id = ids.event_id
LEFT JOIN public.parked_events k ON k.event_id = ids.event_id
LEFT JOIN LATERAL (
  SELECT finished_at FROM public.processing_batches
  WHERE lane = p.lane AND started_at = p.processed_at AND last_position >= p.position ORDER BY last_position LIMIT 1
) own ON true
LEFT JOIN LATERAL (
  SELECT finished_at FROM public.processing_batches WHERE lane = p.lane AND last_position >= p.position ORDER BY last_position LIMIT 1
) b ON true
WHERE p.event_id IS NOT NULL OR k.event_id IS NOT NULL`

/** What one service says of a set of events. */
export class ServiceStages {
  readonly #service: string
  readonly #subscriptions: ReadonlyMap<string, ReadonlySet<string>>
  readonly #lanes: readonly LaneDefinition[]
  readonly #known: ReadonlyMap<string, StageRow>
  readonly #applied: ReadonlyMap<string, LaneRow>

  private constructor(system: SystemDefinition, service: string, known: readonly StageRow[], applied: readonly LaneRow[]) {
    this.#service = service
    this.#lanes = lanesOf(system)
    this.#subscriptions = new Map(subscriptionsOf(system, service).map(({ lane, topics }) => [lane.name, new Set(topics)]))
    this.#known = new Map(known.map((row) => [row.event_id, row]))
    this.#applied = new Map(applied.map((row) => [row.lane_name, row]))
  }

  static async read(
    client: ClientBase,
    system: SystemDefinition,
    service: string,
    events: readonly StoredTraceEvent[],
  ): Promise<ServiceStages> {
    const known = await client.query<StageRow>(STAGES, [events.map((event) => event.eventId)])
    const applied = await client.query<LaneRow>(
      'SELECT lane_name, applied_position::text AS applied, pruned_through::text AS pruned FROM public.projector_positions',
    )
    return new ServiceStages(system, service, known.rows, applied.rows)
  }

  /** null if the event is not for this service. */
  of(event: StoredTraceEvent): ServiceStage | null {
    const known = this.#known.get(event.eventId)
    if (known) {
      const status = known.error_code === null ? 'applied' : 'parked'
      return { service: this.#service, status, at: known.applied_at?.toISOString() ?? null, error: known.error_code }
    }
    const topic = this.#topicOf(event)
    if (topic === null || this.#subscriptions.get(event.lane)?.has(topic) !== true) return null
    const lane = this.#applied.get(event.lane)
    if (lane !== undefined && event.position <= BigInt(lane.pruned)) {
      return { service: this.#service, status: 'applied', at: null, error: null }
    }
    const isPassed = lane !== undefined && event.position <= BigInt(lane.applied)
    return isPassed ? null : { service: this.#service, status: 'pending', at: null, error: null }
  }

  #topicOf(event: StoredTraceEvent): string | null {
    const lane = this.#lanes.find((l) => l.name === event.lane)
    const table = lane?.tables.find(
      (t) => t.aggregateType === event.aggregateType && Object.values(t.eventTypes).includes(event.eventType),
    )
    return table?.topic.name ?? lane?.outbox?.topic.name ?? null
  }
}

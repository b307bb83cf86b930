/** Lanes of a system: which databases are read, by which slot, into which topics. */
import type { CapturedTable } from './captured-table.ts'
import type { OutboxDefinition } from './outbox-definition.ts'
import type { SystemDefinition } from './system-definition.ts'
import type { TopicDefinition } from './topic.ts'

/** The lane that reads the monolith. */
export const MONOLITH_LANE = 'monolith'

/** A lane of the system: a slot, its writer, its control topic. `monolith`, or `<service>_outbox`. */
export interface LaneDefinition {
  readonly name: string
  /** `monolith`, or the service whose database is read. */
  readonly source: 'monolith' | { readonly service: string }
  readonly tables: readonly CapturedTable[]
  readonly outbox: OutboxDefinition | null
  readonly slotName: string
  readonly publicationName: string
}

export function lanesOf(system: SystemDefinition): readonly LaneDefinition[] {
  const lane = (name: string, rest: Omit<LaneDefinition, 'name' | 'slotName' | 'publicationName'>): LaneDefinition => ({
    name,
    ...rest,
    slotName: `sluice_${system.name}_${name}`,
    publicationName: `sluice_${system.name}_${name}`,
  })
  return [
    lane(MONOLITH_LANE, { source: 'monolith', tables: system.monolith.tables, outbox: system.monolith.outbox ?? null }),
    ...Object.entries(system.services).flatMap(([service, { outbox }]) =>
      outbox ? [lane(`${service}_outbox`, { source: { service }, tables: [], outbox })] : [],
    ),
  ]
}

/** Topics of a lane that carry events; the control topic is not among them. */
export function topicsOf(lane: LaneDefinition): readonly TopicDefinition[] {
  const topics = [...lane.tables.map((t) => t.topic), ...(lane.outbox ? [lane.outbox.topic] : [])]
  return [...new Map(topics.map((t) => [t.name, t])).values()]
}

/** Captured tables and outbox topics whose events a service's projections and sinks consume, by lane name. */
export function subscriptionsOf(
  system: SystemDefinition,
  service: string,
): readonly { readonly lane: LaneDefinition; readonly topics: readonly string[] }[] {
  const { projections = [], sinks = [] } = system.services[service] ?? {}
  const projected = projections.flatMap((p) => (p.kind === 'mapping' ? [p.source] : p.tables))
  const tables = new Set([...projected, ...sinks.map((sink) => sink.source)])
  const wantsOwnEvents = projections.some((p) => p.kind === 'handler' && p.eventTypes.length > 0)
  return lanesOf(system).flatMap((lane) => {
    const topics = new Set(lane.tables.filter((t) => tables.has(t)).map((t) => t.topic.name))
    if (wantsOwnEvents && lane.outbox) topics.add(lane.outbox.topic.name)
    return topics.size === 0 ? [] : [{ lane, topics: [...topics] }]
  })
}

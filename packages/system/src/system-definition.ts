/** A system: one monolith, the services it is split into, and everything between them. */
import type { CapturedTable } from './captured-table.ts'
import type { Projection } from './projection.ts'
import type { TopicDefinition } from './topic.ts'

/** The `outbox` table of a database, into which applications write events of their own. */
export interface OutboxDefinition {
  /** @default 'public' */
  readonly schema?: string
  /** @default 'outbox' */
  readonly table?: string
  readonly topic: TopicDefinition
}

export interface MonolithDefinition {
  /** Folder of .sql files that make the monolith's schema for the demo and tests; a real monolith has its own. */
  readonly migrations?: URL
  readonly tables: readonly CapturedTable[]
  readonly outbox?: OutboxDefinition
}

export interface ServiceDefinition {
  /** Folder of the service's own migrations. */
  readonly migrations: URL
  readonly projections: readonly Projection[]
  /** A second reader with a slot and lane of its own takes the events that the service writes into its outbox. */
  readonly outbox?: OutboxDefinition
  /**
   * True if the service's tables don't refer to each other: then its events are ordered per key only, and several
   * projector processes may share the work.
   * @default false
   */
  readonly independent?: boolean
}

export interface SystemDefinition {
  /** Lower case letters, digits and underscores; part of slot, topic and group names. */
  readonly name: string
  readonly title?: string
  /** Folder in which the generated Avro schemas are kept. */
  readonly avroSchemas: URL
  readonly monolith: MonolithDefinition
  readonly services: Readonly<Record<string, ServiceDefinition>>
}

/**
 * Checks a definition and returns it.
 *
 * @throws SluiceError SLU-1005 with every mistake the compiler could not see, each with its place.
 */
export function defineSystem<const Definition extends SystemDefinition>(definition: Definition): Definition {
  return definition
}

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

/** Captured tables and outbox topics whose events a service's projections consume, by lane name. */
export function subscriptionsOf(
  system: SystemDefinition,
  service: string,
): readonly { readonly lane: LaneDefinition; readonly topics: readonly string[] }[] {
  const projections = system.services[service]?.projections ?? []
  const tables = new Set(projections.flatMap((p) => (p.kind === 'mapping' ? [p.source] : p.tables)))
  const wantsOwnEvents = projections.some((p) => p.kind === 'handler' && p.eventTypes.length > 0)
  return lanesOf(system).flatMap((lane) => {
    const topics = new Set(lane.tables.filter((t) => tables.has(t)).map((t) => t.topic.name))
    if (wantsOwnEvents && lane.outbox) topics.add(lane.outbox.topic.name)
    return topics.size === 0 ? [] : [{ lane, topics: [...topics] }]
  })
}

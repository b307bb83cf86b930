/** Which projectors, lanes and sources a comparison of some services needs. */
import {
  type LaneDefinition,
  MONOLITH_LANE,
  type ServiceDefinition,
  type SystemDefinition,
  lanesOf,
  subscriptionsOf,
} from '@sluice/system'

/** Name of the source that mappings, and expectations without another, are asked of. */
export const MONOLITH = 'monolith'

export interface PointScope {
  /** Services that are compared. */
  readonly services: readonly string[]
  /** Those, and the services whose own events they consume: all stand, so that the events are of one place too. */
  readonly held: readonly string[]
  readonly monolithLane: LaneDefinition
  /** Lanes of outboxes that a held service consumes. */
  readonly outboxLanes: readonly LaneDefinition[]
  /** Services of `outboxLanes` that an expectation is asked of. */
  readonly sources: ReadonlySet<string>
}

export function pointScope(system: SystemDefinition, services: readonly string[]): PointScope {
  const held = withUpstream(system, services)
  const consumed = new Set(held.flatMap((service) => subscriptionsOf(system, service).map(({ lane }) => lane.name)))
  const lanes = lanesOf(system)
  return {
    services,
    held,
    monolithLane: lanes.find((lane) => lane.name === MONOLITH_LANE)!,
    outboxLanes: lanes.filter((lane) => lane.name !== MONOLITH_LANE && consumed.has(lane.name)),
    sources: new Set(services.flatMap((service) => expectationSources(system.services[service]))),
  }
}

/** The source of a lane, as `PointScope.sources` and expectations name it. */
export function sourceName(lane: LaneDefinition): string {
  return lane.source === 'monolith' ? MONOLITH : lane.source.service
}

function withUpstream(system: SystemDefinition, services: readonly string[]): readonly string[] {
  const held = new Set(services)
  // A set that grows while it is walked: the services upstream of upstream ones come too.
  for (const service of held) {
    for (const { lane } of subscriptionsOf(system, service)) if (lane.source !== 'monolith') held.add(lane.source.service)
  }
  return [...held]
}

function expectationSources(service: ServiceDefinition | undefined): readonly string[] {
  const expectations = (service?.projections ?? []).flatMap((p) => (p.kind === 'handler' ? p.expectations : []))
  return expectations.flatMap((expectation) => expectation.source ?? [])
}

/** Which topics are counted where only some services are in scope. */
import { type SystemDefinition, lanesOf, subscriptionsOf, topicsOf } from '@sluice/system'

/** Names of the topics that these services consume; where they are all of the system's, also those that nobody consumes. */
export function topicsInScope(system: SystemDefinition, services: readonly string[]): ReadonlySet<string> {
  const isWhole = services.length === Object.keys(system.services).length
  return new Set(
    isWhole
      ? lanesOf(system).flatMap((lane) => topicsOf(lane).map(({ name }) => name))
      : services.flatMap((service) => subscriptionsOf(system, service).flatMap(({ topics }) => topics)),
  )
}

/** Where the oracle finds what it compares: names and connections, nothing of the product's work. */
import { lanesOf, topicsOf } from '@sluice/system'
import type { PipelinePlaces } from '../oracle/whole-pipeline.ts'
import type { TestSystem } from './test-system.ts'

export function placesOf(system: TestSystem): PipelinePlaces {
  return {
    client: (name) => system.client(name),
    services: system.services,
    brokers: system.servers.kafka.url.split(','),
    registryUrl: system.servers.registry.url,
    topics: lanesOf(system.definition).flatMap((lane) => topicsOf(lane).map((topic) => topic.name)),
  }
}

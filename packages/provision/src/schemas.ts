/** Avro schemas: compared with the registered ones before any is registered, so that a refused one leaves nothing half done. */
import { type SchemaRegistry, type TopicSchema, incompatible, schemasOfLane } from '@sluice/avro'
import type { LaneDefinition, SystemDefinition } from '@sluice/system'
import type { ProvisionStep } from './step.ts'

/** @throws SluiceError SLU-4202 if one is not backward compatible, SLU-4201 */
export async function schemaSteps(
  system: SystemDefinition,
  lanes: readonly LaneDefinition[],
  registry: SchemaRegistry,
  isDryRun: boolean,
): Promise<readonly ProvisionStep[]> {
  const schemas = new Map(lanes.flatMap((lane) => schemasOfLane(system, lane)).map((s) => [s.subject, s]))
  const found: { readonly topic: TopicSchema; readonly id: number | null }[] = []
  for (const topic of schemas.values()) {
    const id = await registry.find(topic.subject, topic.schema)
    const reasons = id === null ? await registry.incompatibilities(topic.subject, topic.schema) : []
    if (reasons.length > 0) throw incompatible(topic.subject, reasons)
    found.push({ topic, id })
  }
  const steps: ProvisionStep[] = []
  for (const { topic, id } of found) {
    const step = { place: 'registry', what: `schema ${topic.subject}` }
    if (id !== null) steps.push({ ...step, outcome: 'present', detail: `id ${id}` })
    else if (isDryRun) steps.push({ ...step, outcome: 'planned', detail: 'compatible' })
    else steps.push({ ...step, outcome: 'done', detail: `id ${await registry.ensure(topic.subject, topic.schema)}` })
  }
  return steps
}

/**
 * The whole tree of one correlation: every event of every lane, what caused it, and when each stage was done with it.
 *
 * Commit times are of the source's clock, stored and published of the pipeline's, applied of the service's: differences
 * between them are as good as these clocks agree.
 */
import type { SerializedError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { type CausationNode, causationTree } from './causation-tree.ts'
import { measure } from './measured.ts'
import { onDatabase } from './on-database.ts'
import { type ServiceStage, ServiceStages } from './service-stages.ts'
import { type StatusTargets, serviceTarget } from './status-targets.ts'
import { type StoredTraceEvent, storedTrace } from './stored-trace.ts'

export interface TraceOptions {
  readonly system: SystemDefinition
  readonly targets: Pick<StatusTargets, 'pipeline' | 'services'>
  readonly correlationId: string
  /** Events that are shown of each lane, the first ones. @default 1,000 */
  readonly limit?: number
}

export interface TracedEvent extends StoredTraceEvent {
  /** One entry for each service that has the event or will get it. */
  readonly services: readonly ServiceStage[]
}

export interface CorrelationTrace {
  readonly correlationId: string
  /** Events of the correlation in all; 0 if the store knows no such id. */
  readonly events: bigint
  /** False if only the first `limit` events of a lane are in the tree. */
  readonly isComplete: boolean
  readonly roots: readonly CausationNode<TracedEvent>[]
  /** Services that could not be asked. */
  readonly problems: readonly { readonly service: string; readonly error: SerializedError }[]
}

const LIMIT = 1_000

/** @throws SluiceError SLU-2001 to SLU-2004, SLU-3001 if the pipeline database can't be asked */
export async function readTrace(options: TraceOptions): Promise<CorrelationTrace> {
  const { system, targets, correlationId } = options
  const limit = options.limit ?? LIMIT
  const { total, events } = await onDatabase(targets.pipeline, (client) => storedTrace(client, system.name, correlationId, limit))
  const { stages, problems } = events.length === 0 ? NOBODY_ASKED : await askServices(options, events)
  const traced = events.map((event): TracedEvent => {
    const services = stages.flatMap((service) => service.of(event) ?? [])
    return { ...event, services }
  })
  // Between lanes there is no other order than that of the clocks; within one the sort keeps the positions' order.
  traced.sort((a, b) => (a.committedAt < b.committedAt ? -1 : a.committedAt > b.committedAt ? 1 : 0))
  return { correlationId, events: total, isComplete: BigInt(events.length) === total, roots: causationTree(traced), problems }
}

interface Asked {
  readonly stages: readonly ServiceStages[]
  readonly problems: CorrelationTrace['problems']
}

const NOBODY_ASKED: Asked = { stages: [], problems: [] }

async function askServices({ system, targets }: TraceOptions, events: readonly StoredTraceEvent[]): Promise<Asked> {
  const asked = await Promise.all(
    Object.keys(system.services).map(async (service) => ({
      service,
      answer: await measure(() =>
        onDatabase(serviceTarget(targets, service), (client) => ServiceStages.read(client, system, service, events)),
      ),
    })),
  )
  return {
    stages: asked.flatMap(({ answer }) => answer.value ?? []),
    problems: asked.flatMap(({ service, answer }) => (answer.error === null ? [] : [{ service, error: answer.error }])),
  }
}

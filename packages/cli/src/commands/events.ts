/** `sluice events` */
import { readEvents } from '@sluice/trace'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { renderTable } from '../table.ts'

const Options = z.object({
  lane: z.string().optional(),
  aggregate: z.string().optional(),
  type: z.string().optional(),
  correlation: z.string().optional(),
  after: z.number().optional(),
  limit: z.number(),
})

export const events: CommandImplementation = async (context, { options }) => {
  const { lane, aggregate, type, correlation, after, limit } = Options.parse(options)
  const system = await context.system()
  const deployment = readDeployment(context.environment, system, { pipeline: true })
  const listing = await readEvents({
    system,
    targets: deployment,
    limit,
    ...(lane === undefined ? {} : { lane }),
    ...(aggregate === undefined ? {} : { aggregate }),
    ...(type === undefined ? {} : { type }),
    ...(correlation === undefined ? {} : { correlation }),
    ...(after === undefined ? {} : { after: BigInt(after) }),
  })
  const last = listing.events.at(-1)
  return {
    summary: listing.isComplete
      ? `${listing.events.length} events, all that match`
      : `${listing.events.length} events, there may be more`,
    result: listing,
    text: renderTable(
      [
        { title: 'lane' },
        { title: 'position', align: 'right' },
        { title: 'committed' },
        { title: 'type' },
        { title: 'aggregate' },
        { title: 'version', align: 'right' },
        { title: 'correlation' },
      ],
      listing.events.map((e) => [
        e.lane,
        e.position,
        e.committedAt,
        e.eventType,
        e.aggregateKey ?? e.aggregateId,
        e.version,
        e.correlationId,
      ]),
    ),
    nextSteps: last === undefined ? [] : [`sluice trace ${last.correlationId}`],
  }
}

/** `sluice parked list <service>` */
import { listParked } from '@sluice/projector'
import type { CommandImplementation } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import { formatCount, renderTable } from '../table.ts'

export const parkedList: CommandImplementation = async (context, { args }) => {
  const system = await context.system()
  const service = requireService(system, args[0] ?? '')
  const deployment = readDeployment(context.environment, system, { services: [service] })
  const parked = await listParked(deployment.services[service]!)
  return {
    summary: parked.length === 0 ? `${service} has no parked event` : '',
    result: { service, parked },
    text:
      parked.length === 0
        ? ''
        : renderTable(
            [
              { title: 'position', align: 'right' },
              { title: 'event' },
              { title: 'type' },
              { title: 'aggregate' },
              { title: 'why' },
              { title: 'waits for' },
            ],
            parked.map((p) => [p.position, p.eventId, p.eventType, p.aggregateId, p.message, p.waitsFor]),
          ),
    nextSteps: parked.length === 0 ? [] : [`sluice trace ${parked[0]!.correlationId}`, `${formatCount(parked.length)} in all`],
  }
}

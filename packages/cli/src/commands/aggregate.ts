/** `sluice aggregate snapshot` and `sluice aggregate show` */
import { SluiceError } from '@sluice/core'
import { readAggregate, snapshotAggregates } from '@sluice/trace'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { formatCount, renderTable } from '../table.ts'

const SnapshotOptions = z.object({ every: z.number().min(1) })
const ShowOptions = z.object({ fromFirst: z.boolean(), values: z.boolean() })

export const aggregateSnapshot: CommandImplementation = async (context, { options }) => {
  const { every } = SnapshotOptions.parse(options)
  const system = await context.system()
  const targets = readDeployment(context.environment, system, { pipeline: true })
  const lanes = await snapshotAggregates({ system, targets }, every, context.signal)
  const taken = lanes.reduce((sum, lane) => sum + lane.taken, 0)
  return {
    summary: `${formatCount(taken)} aggregate snapshots taken`,
    result: { every, lanes },
    text: renderTable(
      [
        { title: 'lane' },
        { title: 'taken', align: 'right' },
        { title: 'not whole', align: 'right' },
        { title: 'removed', align: 'right' },
      ],
      lanes.map((lane) => [lane.lane, formatCount(lane.taken), formatCount(lane.incomplete), formatCount(lane.removed)]),
    ),
  }
}

export const aggregateShow: CommandImplementation = async (context, { args, options }) => {
  const { fromFirst: isFromFirstEvent, values } = ShowOptions.parse(options)
  const [aggregate = ''] = args
  const slash = aggregate.indexOf('/')
  if (slash < 1) throw notNamed(aggregate)
  const named = { type: aggregate.slice(0, slash), key: aggregate.slice(slash + 1), isFromFirstEvent }
  const system = await context.system()
  const targets = readDeployment(context.environment, system, { pipeline: true })
  const { row, ...state } = await readAggregate({ system, targets }, named)
  const from = state.snapshot === null ? 'from its first event' : `from the snapshot of version ${state.snapshot.version}`
  return {
    summary: `${state.type}/${state.id} is at version ${state.version}, ${row === null ? 'no row has its key' : 'its row is there'}`,
    result: { ...state, isThere: row !== null, ...(values ? { row } : {}) },
    text: [
      `${from}, ${formatCount(state.events)} events read; lane ${state.lane} up to position ${String(state.position)}`,
      ...(values ? Object.entries(row ?? {}).map(([column, value]) => `${column} = ${value ?? 'NULL'}`) : []),
    ].join('\n'),
  }
}

function notNamed(aggregate: string): SluiceError {
  return new SluiceError('USAGE', {
    what: 'an aggregate is named by its type and its id or key',
    why: `"${aggregate}" has no type`,
    ways: ['sluice aggregate show Opportunity/6f1f3e0a-7d4c-5f4e-9f0c-2f6f9c1f7a55'],
  })
}

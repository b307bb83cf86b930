/** `sluice parked … --relay`: events that a lane's relay could not publish. The relay itself does what is asked for. */
import { setTimeout as delay } from 'node:timers/promises'
import { type LaneId, SluiceError, silentLogger } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import { changedTableWays } from '@sluice/relay'
import {
  type RelayCommandOutcome,
  type RelayParkedEvent,
  type RelayParkedSelection,
  type RelayRequest,
  createEventReader,
  getLane,
  relayCommandOutcome,
  relayParked,
  relayParkedEnds,
  requestRelayParked,
} from '@sluice/store'
import { lanesOf } from '@sluice/system'
import type { CommandContext, CommandOutcome } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { operatorName } from '../operator-name.ts'
import { formatCount, renderTable } from '../table.ts'
import { ENDED_COLUMNS, endedRow, notParked } from './parked-ends.ts'

/** How long a command waits for the relay's answer. */
const ANSWER_MS = 15_000
const POLL_MS = 200

type Client = Awaited<ReturnType<typeof connect>>

interface OpenLane {
  readonly client: Client
  readonly lane: LaneId
  readonly pipeline: PostgresTarget
}

export async function relayParkedList(
  context: CommandContext,
  laneName: string,
  options: { readonly selection: RelayParkedSelection; readonly limit: number; readonly after: bigint },
): Promise<CommandOutcome> {
  return onLane(context, laneName, async ({ client, lane }) => {
    const rows = await relayParked(client, lane, { ...options, limit: options.limit + 1 })
    const parked = rows.slice(0, options.limit)
    const [first] = parked
    const last = rows.length > parked.length ? parked.at(-1) : undefined
    const next = last ? `${lane}:${last.position}` : null
    return {
      summary: first === undefined ? `the relay of ${laneName} has no parked event` : '',
      result: { lane: laneName, parked, next },
      text: first === undefined ? '' : renderTable(LIST_COLUMNS, parked.map(listRow)),
      nextSteps:
        first === undefined
          ? []
          : [
              ...(next === null ? [] : [`sluice parked list ${laneName} --relay --after ${next}`]),
              `sluice parked show ${laneName} ${first.eventId} --relay`,
              `sluice parked retry ${laneName} ${first.eventId} --relay --dry-run`,
            ],
    }
  })
}

/** The newest of those that left the lot. */
export async function relayParkedEnded(context: CommandContext, laneName: string, limit: number): Promise<CommandOutcome> {
  return onLane(context, laneName, async ({ client, lane }) => {
    const ended = await relayParkedEnds(client, lane, { limit })
    return {
      summary: ended.length === 0 ? `no event has left the parking lot of the relay of ${laneName}` : '',
      result: { lane: laneName, ended },
      text:
        ended.length === 0
          ? ''
          : renderTable(
              ENDED_COLUMNS,
              ended.map((end) => endedRow({ ...end, lane })),
            ),
    }
  })
}

async function notInLot(client: Client, lane: LaneId, laneName: string, eventId: string): Promise<SluiceError> {
  const [end] = await relayParkedEnds(client, lane, { eventId, limit: 1 })
  return notParked(`at the relay of ${laneName}`, eventId, end && { ...end, lane }, `sluice parked list ${laneName} --relay`)
}

export async function relayParkedShow(
  context: CommandContext,
  laneName: string,
  eventId: string,
  isWithValues: boolean,
): Promise<CommandOutcome> {
  return onLane(context, laneName, async ({ client, lane, pipeline }) => {
    const [event] = await relayParked(client, lane, { limit: 1, selection: { eventId } })
    if (!event) throw await notInLot(client, lane, laneName, eventId)
    const data = isWithValues ? await eventData(pipeline, lane, event) : null
    return {
      summary: '',
      result: { lane: laneName, event, values: data === null ? null : (JSON.parse(data) as unknown) },
      text: [renderTable(LIST_COLUMNS, [listRow(event)]), ...(data === null ? [] : ['', data])].join('\n'),
      nextSteps: [
        ...heldTopicWays(laneName, event),
        `sluice parked retry ${laneName} ${eventId} --relay --dry-run`,
        `sluice trace ${event.correlationId}`,
      ],
    }
  })
}

export interface RelayWork {
  readonly command: RelayRequest
  readonly selection: RelayParkedSelection
  readonly reason: string | null
  readonly isDryRun: boolean
  /** Throws unless the person confirmed what would be touched. */
  readonly confirm: (plan: { readonly selected: number; readonly others: number }) => void
}

export async function relayParkedWork(context: CommandContext, laneName: string, work: RelayWork): Promise<CommandOutcome> {
  return onLane(context, laneName, async ({ client, lane }) => {
    const asked = { ...work, requestedBy: operatorName() }
    const plan = await requestRelayParked(client, lane, { ...asked, isDryRun: true })
    const { selected, others } = plan
    if (selected === 0) {
      if (work.selection.eventId !== undefined) throw await notInLot(client, lane, laneName, work.selection.eventId)
      return { summary: `no parked event of the relay of ${laneName} matches`, result: { lane: laneName, ...plan }, text: '' }
    }
    if (work.isDryRun) {
      const summary = `nothing was changed: ${work.command} means ${formatCount(selected)} events, and ${formatCount(others)} that wait with them`
      return { summary, result: { lane: laneName, dryRun: true, ...plan }, text: '' }
    }
    work.confirm(plan)
    const { commandId } = await requestRelayParked(client, lane, { ...asked, isDryRun: false })
    const outcome = await answerOf(client, commandId ?? '', context.signal)
    return outcomeOf(laneName, work.command, plan, outcome)
  })
}

function outcomeOf(
  laneName: string,
  command: RelayRequest,
  plan: { readonly selected: number; readonly others: number },
  outcome: RelayCommandOutcome,
): CommandOutcome {
  const { open, published, skipped, refused, waiting } = outcome
  const counts = [
    ...(skipped > 0 ? [`${formatCount(skipped)} skipped`] : []),
    `${formatCount(published)} published`,
    ...(refused > 0 ? [`${formatCount(refused)} refused again`] : []),
    ...(waiting > 0 ? [`${formatCount(waiting)} still waiting`] : []),
    ...(open > 0 ? [`${formatCount(open)} not answered yet: the relay does it when it runs`] : []),
  ].join(', ')
  const list = `sluice parked list ${laneName} --relay`
  const common = { summary: counts, result: { lane: laneName, command, ...plan, ...outcome }, text: '' }
  if (refused === 0) {
    // What lacks the row of an event that was parked here was refused by the services, and waits there.
    return { ...common, nextSteps: [list, ...(published > 0 ? ['sluice parked retry <service> --error 23503'] : [])] }
  }
  return {
    ...common,
    verdict: new SluiceError('PARKED_AGAIN', {
      what: `the relay of ${laneName} could not publish ${formatCount(refused)} events`,
      why: counts,
      ways: [list],
    }),
  }
}

/** Asks until the relay has answered, or for as long as a person waits. */
async function answerOf(client: Client, commandId: string, signal: AbortSignal): Promise<RelayCommandOutcome> {
  const giveUpAt = performance.now() + ANSWER_MS
  for (;;) {
    const outcome = await relayCommandOutcome(client, commandId)
    if (outcome.open === 0 || signal.aborted || performance.now() > giveUpAt) return outcome
    await delay(POLL_MS)
  }
}

async function onLane<Result>(
  context: CommandContext,
  laneName: string,
  work: (open: OpenLane) => Promise<Result>,
): Promise<Result> {
  const system = await context.system()
  const names = lanesOf(system).map((lane) => lane.name)
  if (!names.includes(laneName)) {
    throw new SluiceError('USAGE', {
      what: `system "${system.name}" has no lane "${laneName}"`,
      why: `its lanes are ${names.join(', ')}`,
      ways: names.slice(0, 1).map((name) => `sluice parked list ${name} --relay`),
    })
  }
  const { pipeline } = readDeployment(context.environment, system, { pipeline: true })
  const client = await connect(pipeline, { applicationName: 'sluice parked', statementTimeoutMs: 10_000 })
  try {
    const { lane } = await getLane(client, system.name, laneName)
    return await work({ client, lane, pipeline })
  } catch (error) {
    throw toPostgresError(error, pipeline)
  } finally {
    await client.end()
  }
}

/** How to go on where a whole topic is held, and not this event alone. */
function heldTopicWays(laneName: string, { errorCode }: RelayParkedEvent): readonly string[] {
  if (errorCode === 'SLU-4205') return changedTableWays(laneName)
  if (errorCode !== 'SLU-4202') return []
  return [
    'sluice schemas check    says what stands in the way',
    `once it does not, start the relay again, then: sluice parked retry ${laneName} --relay --error SLU-4202`,
  ]
}

/** The event as it is stored, in captured form. */
async function eventData(pipeline: PostgresTarget, lane: LaneId, { position }: RelayParkedEvent): Promise<string> {
  const reader = createEventReader(pipeline, { logger: silentLogger, connections: 1 })
  try {
    const [event] = await reader.events(lane, (position - 1n) as typeof position, position)
    return event?.eventData ?? 'null'
  } finally {
    await reader.close()
  }
}

const LIST_COLUMNS = [
  { title: 'position', align: 'right' as const },
  { title: 'event' },
  { title: 'type' },
  { title: 'aggregate' },
  { title: 'why' },
  { title: 'waits for' },
]

function listRow(event: RelayParkedEvent): readonly (string | bigint | null)[] {
  const { position, eventId, eventType, aggregateType, aggregateId, errorMessage, waitsFor } = event
  return [position, eventId, eventType, `${aggregateType}/${aggregateId}`, errorMessage, waitsFor]
}

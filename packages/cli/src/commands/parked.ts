/** `sluice parked list|show|retry|skip`: events that a service, or the relay of a lane, refused, and what is done with them. */
import { createEventDecoder } from '@sluice/avro'
import { SluiceError } from '@sluice/core'
import {
  BEHIND_MAX,
  type ParkedCommand,
  type ParkedEvent,
  type ParkedPlace,
  type ParkedPlan,
  type ParkedSelection,
  listParked,
  listParkedEnds,
  listParkedGroups,
  planParkedWork,
  showParked,
  workOnParked,
} from '@sluice/projector'
import type { ProjectedEvent } from '@sluice/system'
import { z } from 'zod'
import type { CommandContext, CommandImplementation, CommandInput, CommandOutcome } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import { operatorName } from '../operator-name.ts'
import { registryOf } from '../servers.ts'
import { sinksOf } from '../sinks.ts'
import { ENDED_COLUMNS, endedRow, notParked } from './parked-ends.ts'
import { SelectionOptions, eventIdOf, selectionOf } from './parked-selection.ts'
import { relayParkedEnded, relayParkedList, relayParkedShow, relayParkedWork } from './relay-parked.ts'
import { type Cell, type Column, formatCount, renderTable } from '../table.ts'

const ListOptions = SelectionOptions.extend({
  relay: z.boolean(),
  waiting: z.boolean(),
  ended: z.boolean().default(false),
  after: z.string().optional(),
  limit: z.number(),
})
const ShowOptions = z.object({ relay: z.boolean(), values: z.boolean() })
const WorkOptions = SelectionOptions.extend({
  relay: z.boolean(),
  all: z.boolean().default(false),
  dryRun: z.boolean(),
  yes: z.boolean().default(false),
  reason: z.string().optional(),
})

export const parkedList: CommandImplementation = async (context, input) => {
  const options = ListOptions.parse(input.options)
  const selection = selectionOf(undefined, options)
  if (options.ended) {
    if (Object.keys(selection).length === 0) return listEnded(context, input, options)
    throw usage(
      '--ended lists the last ones of all',
      'a key, topic or error was named',
      `sluice parked list ${input.args[0]} --ended`,
    )
  }
  if (options.relay) {
    const after = options.after === undefined ? 0n : placeOf(options.after).position
    return relayParkedList(context, input.args[0] ?? '', { selection, limit: options.limit, after })
  }
  const { service, target } = await serviceOf(context, input)
  const page = {
    selection,
    limit: options.limit,
    ...(options.after === undefined ? {} : { after: placeOf(options.after) }),
  }
  const { items, total, next } = await (options.waiting ? listParked(target, page) : listParkedGroups(target, page))
  const [first] = items
  return {
    summary: total === 0 ? `${service} has no parked event` : `${formatCount(total)} events are parked in ${service}`,
    result: { service, total, parked: items, next: next && placeText(next) },
    text: first === undefined ? '' : renderTable(LIST_COLUMNS, items.map(listRow)),
    nextSteps:
      first === undefined
        ? []
        : [
            ...(next ? [`sluice parked list ${service} --after ${placeText(next)}`] : []),
            `sluice parked show ${service} ${first.eventId}`,
            `sluice parked retry ${service} ${first.eventId} --dry-run`,
          ],
  }
}

/** The newest of those that left the lot. */
async function listEnded(
  context: CommandContext,
  input: CommandInput,
  { relay, limit }: z.output<typeof ListOptions>,
): Promise<CommandOutcome> {
  if (relay) return relayParkedEnded(context, input.args[0] ?? '', limit)
  const { service, target } = await serviceOf(context, input)
  const ended = await listParkedEnds(target, { limit })
  return {
    summary: ended.length === 0 ? `no event has left the parking lot of ${service}` : '',
    result: { service, ended },
    text: ended.length === 0 ? '' : renderTable(ENDED_COLUMNS, ended.map(endedRow)),
  }
}

async function notInLot(service: string, target: Parameters<typeof listParked>[0], eventId: string): Promise<SluiceError> {
  const [end] = await listParkedEnds(target, { eventId, limit: 1 })
  return notParked(`in ${service}`, eventId, end, `sluice parked list ${service}`)
}

export const parkedShow: CommandImplementation = async (context, input) => {
  const { values, relay } = ShowOptions.parse(input.options)
  const eventId = eventIdOf(input.args[1])
  if (relay) return relayParkedShow(context, input.args[0] ?? '', eventId, values)
  const { service, target, system } = await serviceOf(context, input)
  const found = await showParked(target, eventId)
  if (!found) throw await notInLot(service, target, eventId)
  const { event, behind, value } = found
  let decoded: ProjectedEvent | null = null
  if (values) {
    const { registry } = readDeployment(context.environment, system, { registry: true })
    decoded = await createEventDecoder(registryOf(registry), system).decode(value)
  }
  const content = decoded && contentOf(decoded)
  return {
    summary: '',
    result: { service, event, behind, values: content },
    text: [...shownLines(event, behind), ...(content ? ['', JSON.stringify(content, null, 2)] : [])].join('\n'),
    nextSteps: [
      ...(values ? [] : [`sluice parked show ${service} ${eventId} --values    shows the row, in captured form`]),
      `sluice parked retry ${service} ${event.waitsFor ?? eventId} --dry-run`,
      `sluice trace ${event.correlationId}`,
    ],
  }
}

/** Of a claimed value the claim is shown: the value itself may be as large as the reason for which it is not in the message. */
function contentOf({ op, before, after, payload, claims }: ProjectedEvent): object {
  return { op, before, after, payload, ...(claims === undefined ? {} : { claims }) }
}

export const parkedRetry: CommandImplementation = (context, input) => work(context, input, 'retry')
export const parkedSkip: CommandImplementation = (context, input) => work(context, input, 'skip')

async function work(context: CommandContext, input: CommandInput, command: ParkedCommand): Promise<CommandOutcome> {
  const options = WorkOptions.parse(input.options)
  const selection = selectionOf(input.args[1], options)
  const [name = ''] = input.args
  assertSelected(command, name, selection, options.all)
  const called = ['sluice parked', command, name, ...input.args.slice(1), ...flagsOf(options)].join(' ')
  if (options.relay) {
    return relayParkedWork(context, name, {
      command,
      selection,
      reason: options.reason ?? null,
      isDryRun: options.dryRun,
      confirm: (plan) => {
        if (command === 'skip') assertConfirmed({ ...plan, left: 0 }, called, options)
      },
    })
  }
  const { service, target, system } = await serviceOf(context, input)
  const plan = await planParkedWork(target, { command, selection })
  if (plan.selected === 0) {
    if (selection.eventId !== undefined) throw await notInLot(service, target, selection.eventId)
    return { summary: `no parked event of ${service} matches`, result: { service, ...plan }, text: '' }
  }
  if (options.dryRun) {
    return {
      summary: `nothing was changed: ${planText(command, plan)}`,
      result: { service, dryRun: true, ...plan },
      text: '',
      nextSteps: [called],
    }
  }
  if (command === 'skip') assertConfirmed(plan, called, options)
  const { registry, keys, claims } = readDeployment(context.environment, system, { registry: true, keys: true, claims: true })
  const phase = context.progress.phase(`${command} in ${service}`)
  const outcome = await workOnParked(
    {
      system,
      service,
      target,
      decoder: createEventDecoder(registryOf(registry), system),
      keys,
      claims,
      openSink: sinksOf(context.environment, system, [service])[service] ?? null,
      signal: context.signal,
      onProgress: (done) => phase.update(`${formatCount(done)} of ${formatCount(plan.selected + plan.others)} events`),
    },
    { command, selection, requestedBy: operatorName(), reason: options.reason ?? null },
  )
  const { applied, skipped, refused, waiting, left } = outcome
  phase.done(`${formatCount(applied + skipped)} events left the parking lot`)
  const counts = [
    ...(skipped > 0 ? [`${formatCount(skipped)} skipped`] : []),
    `${formatCount(applied)} applied`,
    ...(refused > 0 ? [`${formatCount(refused)} refused again`] : []),
    ...(waiting > 0 ? [`${formatCount(waiting)} still waiting`] : []),
    ...(left > 0 ? [`${formatCount(left)} left for another call`] : []),
  ].join(', ')
  const again = [...(left > 0 ? [called] : []), `sluice parked list ${service}`]
  if (refused === 0) return { summary: counts, result: { service, ...outcome }, text: '', nextSteps: again }
  const [first] = outcome.refusals
  return {
    summary: counts,
    result: { service, ...outcome },
    text: '',
    verdict: new SluiceError('PARKED_AGAIN', {
      what: `${service} refused ${formatCount(refused)} events again`,
      why: `${counts}; the first, ${first?.eventId ?? ''}: ${first?.message ?? ''}`,
      ways: [`sluice parked show ${service} ${first?.eventId ?? ''}`, `sluice parked list ${service}`],
    }),
  }
}

async function serviceOf(
  context: CommandContext,
  { args }: CommandInput,
): Promise<{
  readonly system: Awaited<ReturnType<CommandContext['system']>>
  readonly service: string
  readonly target: Parameters<typeof listParked>[0]
}> {
  const system = await context.system()
  const service = requireService(system, args[0] ?? '')
  const deployment = readDeployment(context.environment, system, { services: [service] })
  return { system, service, target: deployment.services[service]! }
}

function placeOf(text: string): ParkedPlace {
  const match = /^(\d{1,5}):(\d{1,19})$/.exec(text)
  if (match) return { lane: Number(match[1]), position: BigInt(match[2]!) }
  throw usage('--after takes lane and position', `"${text}" is not of that form`, '--after 1:4711')
}

function placeText({ lane, position }: ParkedPlace): string {
  return `${lane}:${position}`
}

function assertSelected(command: ParkedCommand, service: string, selection: ParkedSelection, isAll: boolean): void {
  const isNamed = Object.keys(selection).length > 0
  if (isNamed !== isAll) return
  throw usage(
    `which parked events to ${command}?`,
    isAll ? '--all and a selection exclude each other' : 'no event, key, topic or error was named',
    `sluice parked ${command} ${service} ${command === 'retry' ? '--all' : '<event-id> --reason <text>'}`,
  )
}

function assertConfirmed(plan: ParkedPlan, called: string, { yes, reason }: z.output<typeof WorkOptions>): void {
  if (yes && reason !== undefined) return
  throw new SluiceError('CONFIRMATION_NEEDED', {
    what: 'no event was skipped',
    why: `${planText('skip', plan)}; a skipped event never takes effect, and the service differs from its source until its row changes again`,
    ways: [`${called}${reason === undefined ? " --reason '<why>'" : ''}${yes ? '' : ' --yes'}`],
  })
}

function planText(command: ParkedCommand, { selected, others, left }: ParkedPlan): string {
  const behind = others > 0 ? `, and ${formatCount(others)} that wait with them would be tried` : ''
  const rest = left > 0 ? `; ${formatCount(left)} of them in another call` : ''
  return `${formatCount(selected)} ${selected === 1 ? 'event' : 'events'} would be ${command === 'skip' ? 'given up' : 'tried again'}${behind}${rest}`
}

function flagsOf({ relay, key, topic, error, all, reason }: z.output<typeof WorkOptions>): readonly string[] {
  const named = { key, topic, error, reason }
  const flags = Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} '${value}'`]))
  return [...flags, ...(all ? ['--all'] : []), ...(relay ? ['--relay'] : [])]
}

function usage(what: string, why: string, way: string): SluiceError {
  return new SluiceError('USAGE', { what, why, ways: [way] })
}

const LIST_COLUMNS: readonly Column[] = [
  { title: 'position', align: 'right' },
  { title: 'event' },
  { title: 'type' },
  { title: 'aggregate' },
  { title: 'why' },
  { title: 'behind', align: 'right' },
]

/** The last column counts who waits behind a first one, or names what a waiting one waits for. */
function listRow(item: ParkedEvent & { readonly behind?: number }): readonly Cell[] {
  const { behind } = item
  const waits = behind === undefined ? item.waitsFor : behind >= BEHIND_MAX ? `${formatCount(BEHIND_MAX)}+` : behind
  return [item.position, item.eventId, item.eventType, `${item.aggregateType}/${item.aggregateId}`, item.message, waits]
}

function shownLines(event: ParkedEvent, behind: readonly string[]): readonly string[] {
  const lines: readonly (readonly [string, string | null])[] = [
    ['event', event.eventId],
    ['type', event.eventType],
    ['aggregate', `${event.aggregateType}/${event.aggregateId}`],
    ['position', `${event.lane}:${event.position}`],
    ['message', `${event.topic}, partition ${event.partition}, offset ${event.offset}`],
    ['correlation', event.correlationId],
    ['why', event.message],
    ['projection', event.projection === '' ? null : event.projection],
    ['parked', `${event.parkedAt.toISOString()}, ${event.attempts === 1 ? '1 attempt' : `${event.attempts} attempts`}`],
    ['waits for', event.waitsFor],
    ['behind it', behind.length === 0 ? null : formatCount(behind.length)],
  ]
  const width = Math.max(...lines.map(([name]) => name.length)) + 2
  return lines.flatMap(([name, text]) => (text === null ? [] : [`${name.padEnd(width)}${text}`]))
}

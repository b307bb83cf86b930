/** `sluice backfill start|list|pause|resume|cancel|throttle`: the reader of the lane does the work; these ask, and look. */
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError, quoteIdentifier } from '@sluice/core'
import { withConnection } from '@sluice/postgres'
import { type BackfillPlan, planBackfill } from '@sluice/reader'
import {
  BACKFILL_THROTTLE,
  type BackfillAsk,
  type BackfillRun,
  type BackfillThrottle,
  askBackfill,
  assertStoreMigrated,
  findLane,
  getBackfill,
  getLane,
  listBackfills,
  requestBackfill,
  secondsLeft,
  throttleBackfill,
} from '@sluice/store'
import { type LaneDefinition, type SystemDefinition, lanesOf } from '@sluice/system'
import { z } from 'zod'
import type { CommandContext, CommandImplementation, CommandInput, CommandOutcome } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { operatorName } from '../operator-name.ts'
import { type Cell, type Column, formatCount, formatSeconds, renderTable } from '../table.ts'

/** How long a command waits for the reader's answer. */
const ANSWER_MS = 10_000
const POLL_MS = 200

type Client = Parameters<Parameters<typeof withConnection>[2]>[0]

const ThrottleOptions = z.object({
  maxLag: z.number().optional(),
  maxSessions: z.number().optional(),
  rate: z.number().optional(),
})
const StartOptions = ThrottleOptions.extend({
  lane: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  where: z.string().optional(),
  dryRun: z.boolean(),
})

export const backfillStart: CommandImplementation = async (context, { args, options: given }) => {
  const options = StartOptions.parse(given)
  const [table = ''] = args
  const system = await context.system()
  const lane = laneOf(system, options.lane)
  const scope = { from: keyOf('--from', options.from), to: keyOf('--to', options.to), filter: options.where ?? null }
  const source = sourceOf(context, system, lane)
  const plan = await planBackfill({ lane, table, source, ...scope })
  if (options.dryRun) {
    return {
      summary: `nothing was changed: ${planText(plan)}`,
      result: { dryRun: true, lane: lane.name, ...scope, ...plan },
      text: '',
      nextSteps: grantSteps(plan),
    }
  }
  return onStore(context, system, async (client) => {
    const { lane: id } = await getLane(client, system.name, lane.name)
    const run = await requestBackfill(client, {
      systemName: system.name,
      laneName: lane.name,
      lane: id,
      table: plan.table,
      scope,
      throttle: { ...BACKFILL_THROTTLE, ...throttleOf(options) },
      rowsEstimate: plan.keys,
      requestedBy: operatorName(),
    })
    const begun = await answerOf(client, run, ({ status }) => status !== 'requested', context.signal)
    const isBegun = begun.status !== 'requested'
    return {
      summary: `backfill ${run.id} of ${plan.table} ${isBegun ? `is ${begun.status}` : 'is requested; the reader does it when it runs'}: ${planText(plan)}`,
      result: { lane: lane.name, plan, backfill: begun },
      text: '',
      nextSteps: [...grantSteps(plan), 'sluice backfill list', `sluice backfill pause ${run.id}`],
    }
  })
}

export const backfillList: CommandImplementation = async (context) => {
  const system = await context.system()
  return onStore(context, system, async (client) => {
    const runs = await everyRun(client, system)
    const [newest] = runs
    return {
      summary: newest === undefined ? 'there is no backfill' : '',
      result: { backfills: runs.map((run) => ({ ...run, secondsLeft: timeLeft(run) })) },
      text: newest === undefined ? '' : [renderTable(LIST_COLUMNS, runs.map(listRow)), ...runs.flatMap(troubleLines)].join('\n'),
    }
  })
}

const ANSWERED: Readonly<Record<BackfillAsk, (run: BackfillRun) => boolean>> = {
  pause: ({ status }) => status !== 'running',
  resume: ({ status }) => status !== 'requested',
  cancel: ({ status }) => status !== 'running',
}

function ask(command: BackfillAsk): CommandImplementation {
  return async (context, input) => {
    const system = await context.system()
    return onStore(context, system, async (client) => {
      const found = await runOf(client, system, input)
      const asked = await askBackfill(client, found.id, command, operatorName())
      const run = await answerOf(client, asked, ANSWERED[command], context.signal)
      const isAnswered = ANSWERED[command](run)
      return {
        summary: `backfill ${run.id} of ${run.table} is ${run.status}${isAnswered ? '' : `; the reader does it (${command}) when it runs`}`,
        result: { backfill: run },
        text: '',
        nextSteps: run.status === 'paused' ? [`sluice backfill resume ${run.id}`] : ['sluice backfill list'],
      }
    })
  }
}

export const backfillPause = ask('pause')
export const backfillResume = ask('resume')
export const backfillCancel = ask('cancel')

export const backfillThrottle: CommandImplementation = async (context, input) => {
  const throttle = throttleOf(ThrottleOptions.parse(input.options))
  const [id = ''] = input.args
  if (Object.keys(throttle).length === 0) {
    throw new SluiceError('USAGE', {
      what: 'throttle needs a bound to change',
      why: 'none of --max-lag, --max-sessions and --rate was given',
      ways: [`sluice backfill throttle ${id} --rate 5000`, `sluice backfill throttle ${id} --rate 0    takes the bound away`],
    })
  }
  const system = await context.system()
  return onStore(context, system, async (client) => {
    const found = await runOf(client, system, input)
    const run = await throttleBackfill(client, found.id, throttle, operatorName())
    const { lagEventsMax, activeSessionsMax, rowsPerSecondMax } = run.throttle
    const rate = rowsPerSecondMax === null ? 'as fast as it goes' : `${formatCount(rowsPerSecondMax)} rows a second at most`
    return {
      summary: `from the next chunk on: ${rate}; it waits above ${formatCount(lagEventsMax)} unpublished events or ${activeSessionsMax} busy sessions`,
      result: { backfill: run },
      text: '',
      nextSteps: ['sluice backfill list'],
    }
  })
}

async function onStore(
  context: CommandContext,
  system: SystemDefinition,
  work: (client: Client) => Promise<CommandOutcome>,
): Promise<CommandOutcome> {
  const { pipeline } = readDeployment(context.environment, system, { pipeline: true })
  await assertStoreMigrated(pipeline)
  return withConnection(pipeline, { applicationName: 'sluice backfill', statementTimeoutMs: 10_000 }, work)
}

function laneOf(system: SystemDefinition, name: string): LaneDefinition {
  const lanes = lanesOf(system).filter((lane) => lane.tables.length > 0)
  const lane = lanes.find((l) => l.name === name)
  if (lane) return lane
  throw new SluiceError('USAGE', {
    what: `system "${system.name}" has no lane "${name}" with tables`,
    why: `its lanes with tables are ${lanes.map((l) => l.name).join(', ')}`,
    ways: ['sluice backfill start <table> --dry-run'],
  })
}

function sourceOf({ environment }: CommandContext, system: SystemDefinition, { source }: LaneDefinition): BackfillSource {
  if (source === 'monolith') return readDeployment(environment, system, { monolith: true }).monolith
  return readDeployment(environment, system, { services: [source.service] }).services[source.service]!
}

type BackfillSource = Parameters<typeof planBackfill>[0]['source']

/** One value as it is; the values of a key of several columns as a JSON array. */
function keyOf(option: string, text: string | undefined): readonly string[] | null {
  if (text === undefined) return null
  if (!text.startsWith('[')) return [text]
  const parsed = z
    .array(z.union([z.string(), z.number()]))
    .nonempty()
    .safeParse(jsonOf(text))
  if (parsed.success) return parsed.data.map(String)
  throw new SluiceError('USAGE', {
    what: `${option} is not a key`,
    why: 'it begins as a JSON array, and is none of texts and numbers',
    ways: [`${option} 4711`, `${option} '["4711", "1"]'    for a key of two columns`],
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

function throttleOf({ maxLag, maxSessions, rate }: z.infer<typeof ThrottleOptions>): Partial<BackfillThrottle> {
  return {
    ...(maxLag === undefined ? {} : { lagEventsMax: maxLag }),
    ...(maxSessions === undefined ? {} : { activeSessionsMax: maxSessions }),
    ...(rate === undefined ? {} : { rowsPerSecondMax: rate === 0 ? null : rate }),
  }
}

/** The run that an id, or the beginning of one, names. */
async function runOf(client: Client, system: SystemDefinition, { args }: CommandInput): Promise<BackfillRun> {
  const [id = ''] = args
  const found = (await everyRun(client, system)).filter((run) => id !== '' && run.id.startsWith(id.toLowerCase()))
  const [run] = found
  if (run && found.length === 1) return run
  throw new SluiceError('BACKFILL_UNKNOWN', {
    what: `there is no backfill ${id}`,
    why: run ? `${found.length} of them begin so` : 'none of the system has that id',
    ways: ['sluice backfill list'],
  })
}

/** Of every lane that has begun, the newest first. */
async function everyRun(client: Client, system: SystemDefinition): Promise<readonly BackfillRun[]> {
  const runs: BackfillRun[] = []
  for (const { name } of lanesOf(system)) {
    const lane = await findLane(client, system.name, name)
    if (lane) runs.push(...(await listBackfills(client, lane.lane)))
  }
  return runs.sort((a, b) => b.requestedAt.getTime() - a.requestedAt.getTime())
}

/** Looks until the reader has answered, or for as long as a person waits. */
async function answerOf(
  client: Client,
  run: BackfillRun,
  isAnswered: (run: BackfillRun) => boolean,
  signal: AbortSignal,
): Promise<BackfillRun> {
  const giveUpAt = performance.now() + ANSWER_MS
  let at = run
  while (!isAnswered(at) && !signal.aborted && performance.now() < giveUpAt) {
    await delay(POLL_MS)
    at = await getBackfill(client, run.id)
  }
  return at
}

function planText({ table, keys, isCounted, rows, chunks, blindRole }: BackfillPlan): string {
  const about = isCounted ? '' : 'about '
  const filtered = rows === keys ? '' : `, of which the filter takes about ${formatCount(rows)}`
  const blind = blindRole === null ? '' : `; it does not see how busy the source is: ${blindRole} counts its own sessions alone`
  return `${about}${formatCount(keys)} rows of ${table}${filtered}, in ${about}${formatCount(chunks)} ${chunks === 1n ? 'chunk' : 'chunks'}${blind}`
}

/** A bound that sees nothing would be taken for one that is never reached. */
function grantSteps({ blindRole }: BackfillPlan): readonly string[] {
  return blindRole === null
    ? []
    : [`GRANT pg_read_all_stats TO ${quoteIdentifier(blindRole)}    in the source, for --max-sessions`]
}

function timeLeft(run: BackfillRun): number | null {
  return run.status === 'running' ? secondsLeft(run) : null
}

const LIST_COLUMNS: readonly Column[] = [
  { title: 'backfill' },
  { title: 'table' },
  { title: 'state' },
  { title: 'read', align: 'right' },
  { title: 'of', align: 'right' },
  { title: 'stored', align: 'right' },
  { title: 'newer in the stream', align: 'right' },
  { title: 'rows/s', align: 'right' },
  { title: 'left', align: 'right' },
]

function listRow(run: BackfillRun): readonly Cell[] {
  const left = timeLeft(run)
  const isRunning = run.status === 'running'
  return [
    run.id,
    run.table,
    run.wanted === 'run' ? run.status : `${run.status}, ${run.wanted} asked for`,
    run.rowsRead,
    run.rowsEstimate,
    run.rowsStored,
    run.rowsDropped,
    isRunning && run.rowsPerSecond !== null ? Math.round(run.rowsPerSecond) : null,
    left === null ? null : formatSeconds(left),
  ]
}

function troubleLines({ id, waitsFor, error }: BackfillRun): readonly string[] {
  return [
    ...(waitsFor === null ? [] : [`${id} waits: ${waitsFor}`]),
    ...(error ? [`${id} failed: ${error.code} ${error.what}: ${error.why}`] : []),
  ]
}

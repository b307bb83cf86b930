/** `sluice backup due`: makes what a plan says is due, verifies it, and removes what retention lets go. */
import {
  type SchedulePlan,
  type DueProgress,
  type PlannedRun,
  type ScheduleRun,
  backupStates,
  databasesOf,
  findTool,
  readSchedulePlan,
  runDueBackups,
} from '@sluice/backup'
import { SluiceError, serializeError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { z } from 'zod'
import { backupLine } from '../backup-progress.ts'
import type { CommandContext, CommandImplementation, CommandOutcome } from '../command.ts'
import { type Environment, type PartialDeployment, readBackupKeys, readDeployment, requireService } from '../deployment.ts'
import { serviceSinks } from '../service-sinks.ts'
import { renderTable } from '../table.ts'

const Options = z.object({
  plan: z.string().optional(),
  pgBin: z.string().optional(),
  withoutSinks: z.boolean(),
  dryRun: z.boolean(),
})

export const backupDue: CommandImplementation = async (context, { options }) => {
  const { plan: file, pgBin, withoutSinks, dryRun: isDryRun } = Options.parse(options)
  if (file === undefined) {
    throw new SluiceError('USAGE', {
      what: 'there is no plan of backups',
      why: 'neither --plan nor SLUICE_BACKUP_PLAN is set',
      ways: ['sluice backup due --plan ./backup-plan.json --dry-run'],
    })
  }
  const system = await context.system()
  const plan = await readSchedulePlan(file)
  const databases = plannedDatabases(plan, system)
  const called = `sluice backup due --plan ${file}`
  if (isDryRun) {
    const states = await backupStates({ system: system.name, plan, now: new Date() }, databases)
    return planned(states, called)
  }
  const targets = targetsOf(context.environment, system, databases)
  const sinks = withoutSinks ? {} : serviceSinks(context.environment, system, databases.filter(isService), called)
  const folder = pgBin ?? null
  const tools = { dump: await findTool('pg_dump', folder), restore: await findTool('pg_restore', folder) }
  const runs = await watched(context, (onProgress) =>
    runDueBackups({
      system: system.name,
      plan,
      targets,
      sinks,
      tools,
      keys: readBackupKeys(context.environment),
      now: () => new Date(),
      onProgress,
      signal: context.signal,
    }),
  )
  return outcome(runs)
}

/** @throws SluiceError SLU-5002 if the system has not all of them */
export function plannedDatabases(plan: SchedulePlan, system: SystemDefinition): readonly string[] {
  const databases = databasesOf(plan, ['monolith', 'pipeline', ...Object.keys(system.services)])
  for (const name of databases) if (isService(name)) requireService(system, name)
  return databases
}

function targetsOf(
  environment: Environment,
  system: SystemDefinition,
  databases: readonly string[],
): NonNullable<PartialDeployment['services']> {
  const { monolith, pipeline, services } = readDeployment(environment, system, {
    monolith: databases.includes('monolith'),
    pipeline: databases.includes('pipeline'),
    services: databases.filter(isService),
  })
  const read = Object.entries({ monolith, pipeline, ...services })
  // What was not asked for was not read.
  return Object.fromEntries(read.filter(([name]) => databases.includes(name)))
}

function isService(name: string): boolean {
  return name !== 'monolith' && name !== 'pipeline'
}

async function watched<T>(
  context: CommandContext,
  work: (onProgress: (progress: DueProgress) => void) => Promise<T>,
): Promise<T> {
  const phase = context.progress.phase('backing up what is due')
  try {
    const line = dueLine()
    const result = await work((progress) => phase.update(line(progress)))
    phase.done()
    return result
  } catch (error) {
    phase.failed()
    throw error
  }
}

/** Each backup has a pace of its own. */
function dueLine(): (progress: DueProgress) => string {
  let of = ''
  let line = backupLine()
  return ({ schedule, database, stage }) => {
    const about = `${schedule}: ${database}`
    if (about !== of) [of, line] = [about, backupLine()]
    return `${about}, ${typeof stage === 'string' ? stage : line(stage)}`
  }
}

function outcome(runs: readonly ScheduleRun[]): CommandOutcome {
  const made = runs.filter((run) => run.made !== null).length
  const removed = runs.reduce((sum, run) => sum + run.removed.length, 0)
  const verdict = verdictOf(runs)
  return {
    summary: `${made} ${made === 1 ? 'backup' : 'backups'} made and verified, ${removed} removed`,
    result: { dryRun: false, runs: runs.map((run) => ({ ...run, error: run.error && serializeError(run.error) })) },
    text: renderTable(
      [...HEAD, { title: 'made' }, { title: 'removed', align: 'right' }, { title: 'state' }],
      runs.map(({ schedule, database, made: folder, removed: gone, state, error }) => [
        schedule,
        database,
        state?.newest?.startedAt.toISOString() ?? null,
        state?.whole ?? null,
        state?.dueAt.toISOString() ?? null,
        folder === null ? 'no' : 'yes',
        gone.length,
        error?.number ?? 'ok',
      ]),
    ),
    ...(verdict ? { verdict } : {}),
  }
}

function planned(states: readonly PlannedRun[], called: string): CommandOutcome {
  const due = states.filter((state) => state.isDue).length
  const removed = states.flatMap((state) => state.removed)
  return {
    summary: `nothing was changed: ${due} ${due === 1 ? 'backup is' : 'backups are'} due, and ${removed.length} would then be removed`,
    result: { dryRun: true, runs: states },
    text: [
      renderTable(
        [...HEAD, { title: 'due' }, { title: 'not checked', align: 'right' }, { title: 'damaged', align: 'right' }],
        states.map((s) => [
          s.schedule,
          s.database,
          s.newest?.startedAt.toISOString() ?? null,
          s.whole,
          s.dueAt.toISOString(),
          s.isOverdue ? 'overdue' : s.isDue ? 'yes' : 'no',
          s.unverified.length,
          s.damaged.length,
        ]),
      ),
      ...removed.map((folder) => `would be removed: ${folder}`),
    ].join('\n'),
    nextSteps: [called],
  }
}

const HEAD = [
  { title: 'schedule' },
  { title: 'database' },
  { title: 'newest' },
  { title: 'whole', align: 'right' },
  { title: 'next' },
] as const

/** The first one's code stands for all: each is named. */
function verdictOf(runs: readonly ScheduleRun[]): SluiceError | null {
  const failed = runs.filter((run) => run.error !== null)
  const first = failed[0]?.error
  if (!first) return null
  return new SluiceError(first.code, {
    what: `${failed.length} of ${runs.length} backups are not as the plan says`,
    why: failed.map(({ schedule, database, error }) => `${schedule}: ${database}: ${error!.what}: ${error!.why}`).join('\n'),
    ways: [...new Set(failed.flatMap(({ error }) => error!.ways.slice(0, 1)))].slice(0, 3),
  })
}

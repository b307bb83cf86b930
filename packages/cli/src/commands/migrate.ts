/** `sluice migrate status|up|down` */
import { SluiceError, serializeError } from '@sluice/core'
import {
  type ServiceDatabase,
  type ServiceMigration,
  type ServiceMigrationStatus,
  migrateServices,
  planUndo,
  readMigrationStatus,
  undoLast,
} from '@sluice/migrate'
import { z } from 'zod'
import type { CommandContext, CommandImplementation, CommandInput } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import { type Style, styleOf } from '../glyphs.ts'
import { partsLine } from '../parts-progress.ts'
import { renderTable } from '../table.ts'

export const migrateStatus: CommandImplementation = async (context, input) => {
  const { check } = z.object({ check: z.boolean() }).parse(input.options)
  const services = await readMigrationStatus(await serviceDatabases(context, input))
  const unknown = services.filter((s) => s.error !== null)
  const behind = services.filter((s) => s.error === null && !isUpToDate(s))
  const verdict = unknown.length > 0 ? unasked(unknown) : check && behind.length > 0 ? pendingVerdict(behind) : undefined
  return {
    summary: behind.length === 0 ? 'every migration is applied' : `migrations of ${behind.length} services are pending`,
    result: { services: services.map(withError) },
    text: statusText(services, styleOf(process.stdout, context.environment)),
    ...(verdict ? { verdict } : {}),
    nextSteps: behind.length === 0 ? [] : ['sluice migrate up --dry-run', 'sluice migrate up'],
  }
}

export const migrateUp: CommandImplementation = async (context, input) => {
  const { dryRun: isDryRun } = z.object({ dryRun: z.boolean() }).parse(input.options)
  const databases = await serviceDatabases(context, input)
  const phase = context.progress.phase(isDryRun ? 'planning' : 'migrating')
  const line = partsLine()
  const services = await migrateServices({
    services: databases,
    isDryRun,
    signal: context.signal,
    onService: (service, done) => phase.update(line(service, done, databases.length)),
  })
  const failed = services.find((s) => s.outcome === 'failed')
  const of = (outcome: ServiceMigration['outcome']): number => services.filter((s) => s.outcome === outcome).length
  const counts = [
    ...(isDryRun ? [`${of('planned')} would be migrated`] : [`${of('migrated')} migrated`]),
    `${of('up to date')} up to date`,
    ...(failed ? [`${failed.service} failed`] : []),
    ...(of('not begun') > 0 ? [`${of('not begun')} not begun`] : []),
  ].join(', ')
  if (failed) phase.failed(counts)
  else phase.done(counts)
  return {
    summary: isDryRun ? `nothing was changed: ${counts}` : counts,
    result: { dryRun: isDryRun, services: services.map(withError) },
    text: upText(services, styleOf(process.stdout, context.environment)),
    ...(failed?.error ? { verdict: failed.error } : {}),
    nextSteps: failed
      ? ['sluice migrate up    goes on with the service that failed']
      : isDryRun && of('planned') > 0
        ? ['sluice migrate up']
        : [],
  }
}

export const migrateDown: CommandImplementation = async (context, input) => {
  const { dryRun: isDryRun, yes } = z.object({ dryRun: z.boolean(), yes: z.boolean() }).parse(input.options)
  const database = (await serviceDatabases(context, input))[0]!
  const { service } = database
  const plan = await planUndo(database)
  if (isDryRun) {
    return {
      summary: `nothing was changed: migration ${plan.name} of ${service} would be undone`,
      result: { dryRun: true, service, ...plan },
      text: plan.sql,
      nextSteps: [`sluice migrate down ${service} --yes`],
    }
  }
  if (!yes) {
    throw new SluiceError('CONFIRMATION_NEEDED', {
      what: `migration ${plan.name} of ${service} is not undone`,
      why: 'what its down section drops is gone, with the rows in it',
      ways: [`sluice migrate down ${service} --dry-run    shows the SQL`, `sluice migrate down ${service} --yes`],
    })
  }
  const phase = context.progress.phase(`undoing ${plan.name}`)
  await undoLast(database, plan)
  phase.done()
  return {
    summary: `migration ${plan.name} of ${service} is undone`,
    result: { dryRun: false, service, ...plan },
    text: '',
    nextSteps: [`sluice migrate status ${service}`],
  }
}

/** The databases of every service of the system, or of the one that is named. */
export async function serviceDatabases(context: CommandContext, { args }: CommandInput): Promise<readonly ServiceDatabase[]> {
  const system = await context.system()
  const [named] = args
  const services = named === undefined ? Object.keys(system.services) : [requireService(system, named)]
  const deployment = readDeployment(context.environment, system, { services })
  return services.map((service) => ({
    service,
    target: deployment.services[service]!,
    definition: system.services[service]!,
  }))
}

/** As the envelope shows it. */
function withError<Report extends { readonly error: SluiceError | null }>(report: Report): object {
  return { ...report, error: report.error && serializeError(report.error) }
}

function isUpToDate({ pending, sluicePending, missing }: ServiceMigrationStatus): boolean {
  return pending.length + sluicePending.length + missing.length === 0
}

function pendingVerdict(behind: readonly ServiceMigrationStatus[]): SluiceError {
  return new SluiceError('MIGRATIONS_PENDING', {
    what: `migrations of ${behind.map((s) => s.service).join(', ')} are pending`,
    why: behind.map((s) => `${s.service}: ${stateText(s)}`).join('\n'),
    ways: ['sluice migrate up'],
  })
}

/** Several databases of one server are away together: the first tells why. */
function unasked(unknown: readonly ServiceMigrationStatus[]): SluiceError {
  const [first] = unknown
  // Also what the server says of a database that does not exist.
  const isMissing = unknown.some(({ error }) => error?.code === 'POSTGRES_AUTH_FAILED')
  return new SluiceError(first?.error?.code ?? 'UNEXPECTED', {
    what: `${unknown.map((s) => s.service).join(', ')} can not be asked`,
    why: unknown.map((s) => `${s.service}: ${s.error?.why ?? ''}`).join('\n'),
    ways: [
      ...(isMissing ? ['sluice provision --create-databases    makes databases that do not exist'] : []),
      ...(first?.error?.ways ?? []),
    ],
  })
}

function stateText({ error, pending, sluicePending, missing }: ServiceMigrationStatus): string {
  if (error) return `${error.number} ${error.why}`
  const parts = [
    ...(pending.length > 0 ? [`pending: ${pending.join(', ')}`] : []),
    ...(sluicePending.length > 0 ? [`pending of Sluice: ${sluicePending.join(', ')}`] : []),
    ...(missing.length > 0 ? [`applied, and without a file: ${missing.join(', ')}`] : []),
  ]
  return parts.length === 0 ? 'up to date' : parts.join('; ')
}

export function statusText(services: readonly ServiceMigrationStatus[], style: Style): string {
  return renderTable(
    [{ title: 'service' }, { title: 'applied', align: 'right' }, { title: 'last' }, { title: 'at' }, { title: 'state' }],
    services.map((status) => {
      const last = status.applied.at(-1)
      const tone = status.error ? 'broken' : isUpToDate(status) ? 'good' : 'attention'
      return [
        status.service,
        status.error ? null : status.applied.length,
        last?.name ?? null,
        last?.appliedAt.toISOString().slice(0, 19) ?? null,
        style.paint(tone, stateText(status)),
      ]
    }),
  )
}

const UP_TONES = { migrated: 'good', 'up to date': 'good', planned: 'attention', failed: 'broken', 'not begun': 'dim' } as const

export function upText(services: readonly ServiceMigration[], style: Style): string {
  return renderTable(
    [{ title: 'service' }, { title: 'outcome' }, { title: 'migrations' }],
    services.map(({ service, outcome, migrations, error }) => [
      service,
      style.paint(UP_TONES[outcome], outcome),
      [...migrations, ...(error ? [`${error.number} ${error.what}`] : [])].join(', '),
    ]),
  )
}

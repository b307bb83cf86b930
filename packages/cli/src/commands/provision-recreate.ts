/** `sluice provision --recreate <service>`: exit 5 until it was confirmed. */
import { SluiceError, quoteIdentifier, silentLogger } from '@sluice/core'
import { type CarriedRights, type RecreatePlan, planRecreate, recreateService } from '@sluice/provision'
import type { CommandContext, CommandOutcome } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import { partsLine } from '../parts-progress.ts'
import { kafkaOf, registryOf } from '../servers.ts'
import { sinksOf } from '../sinks.ts'
import { formatCount, renderTable } from '../table.ts'

export async function recreate(
  context: CommandContext,
  named: string,
  { isDryRun, yes }: { readonly isDryRun: boolean; readonly yes: boolean },
): Promise<CommandOutcome> {
  const system = await context.system()
  const service = requireService(system, named)
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services: [service],
    kafka: true,
    registry: true,
    masterKeys: true,
  })
  const kafka = kafkaOf(deployment.kafka, silentLogger)
  const plan = await planRecreate({ system, service, target: deployment.services[service]!, kafka })
  const called = `sluice provision --recreate ${service}`
  if (isDryRun) {
    return {
      summary: `nothing was changed: ${planText(plan)}`,
      result: { dryRun: true, ...plan },
      text: contentsText(plan),
      nextSteps: [`${called} --yes`],
    }
  }
  if (!yes) {
    throw new SluiceError('CONFIRMATION_NEEDED', {
      what: `the database of ${service} (${plan.database}) is not made anew`,
      why: planText(plan),
      ways: [`${called} --dry-run    shows its tables`, `${called} --yes`],
    })
  }
  const phase = context.progress.phase(`making ${plan.database} anew`)
  const line = partsLine()
  const { steps, keptAs, rights } = await recreateService(service, {
    system,
    targets: deployment,
    kafka,
    registry: registryOf(deployment.registry),
    masterKeys: deployment.masterKeys,
    openSinks: sinksOf(context.environment, system, [service]),
    isDryRun: false,
    onStep: ({ what }, { done, of }) => phase.update(line(what, done, of)),
  })
  phase.done()
  return {
    summary: `the database of ${service} is empty; its projector fills it from the first event on${keptAs === null ? '' : `, and the old one is kept as ${keptAs}`}`,
    result: { dryRun: false, ...plan, keptAs, steps, rights },
    text: rightsText(rights),
    nextSteps: [
      `sluice run projector ${service}`,
      'sluice status',
      `sluice verify --service ${service}`,
      ...(keptAs === null ? [] : [`once that says equal, in database postgres: DROP DATABASE ${quoteIdentifier(keptAs)}`]),
    ],
  }
}

function planText({ exists, tables, offsets, grantees, decisions, keptAs }: RecreatePlan): string {
  if (!exists)
    return `the database does not exist, and would be made; ${formatCount(offsets)} offsets of its topics would be applied`
  const rows = tables.reduce((sum, t) => sum + (t.rows ?? 0n), 0n)
  const own = tables.filter((t) => !t.isProjected)
  return [
    `a new database takes the place of about ${formatCount(rows)} rows of ${tables.length} tables, which are kept as ${keptAs}, and ${formatCount(offsets)} offsets of its topics are applied again`,
    ...(own.length > 0
      ? [`what is in ${own.map((t) => t.table).join(', ')} comes back only if a handler or a migration writes it`]
      : []),
    ...(decisions > 0n
      ? [
          `${formatCount(decisions)} decisions of people on parked events (edits, skips, retries) are in the old one alone, and are not made again`,
        ]
      : []),
    ...(grantees.length > 0 ? [`rights of ${grantees.join(', ')} are given again on the tables that are there afterwards`] : []),
  ].join('; ')
}

function rightsText({ carried, left }: CarriedRights): string {
  return [
    ...carried.map((statement) => `given as in the old one: ${statement}`),
    ...left.map((right) => `not given, since there is no such thing any more: ${right}`),
  ].join('\n')
}

function contentsText({ tables }: RecreatePlan): string {
  if (tables.length === 0) return ''
  return renderTable(
    [{ title: 'table' }, { title: 'rows, about', align: 'right' }, { title: 'comes back' }],
    tables.map((t) => [t.table, t.rows ?? 'unknown', t.isProjected ? 'from the topics' : 'no projection names it']),
  )
}

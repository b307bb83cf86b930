/** `sluice restore <database>`: exit 5 for a database that is not empty. */
import { type RestorePlan, type ServiceSink, findTool, planRestore, restoreDatabase } from '@sluice/backup'
import { SluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { z } from 'zod'
import { restoreLine } from '../backup-progress.ts'
import type { CommandContext, CommandImplementation } from '../command.ts'
import { type Environment, readBackupKeys, readDeployment, requireService } from '../deployment.ts'
import { serviceSinks } from '../service-sinks.ts'
import { formatCount, renderTable } from '../table.ts'

const Options = z.object({
  from: z.string().optional(),
  pgBin: z.string().optional(),
  withoutSinks: z.boolean(),
  addToSinks: z.boolean(),
  dryRun: z.boolean(),
})

export const restore: CommandImplementation = async (context, { args, options: given }) => {
  const { from, pgBin, withoutSinks, addToSinks, dryRun: isDryRun } = Options.parse(given)
  const named = args[0]!
  if (from === undefined) {
    throw new SluiceError('USAGE', {
      what: 'a restore needs a backup',
      why: '--from was not given',
      ways: [`sluice restore ${named} --from <folder of the backup>`],
    })
  }
  const system = await context.system()
  const isService = named !== 'monolith' && named !== 'pipeline'
  const services = isService ? [requireService(system, named)] : []
  // A service gets the erasures that monolith and pipeline database remember.
  const deployment = readDeployment(context.environment, system, {
    monolith: named !== 'pipeline',
    pipeline: named !== 'monolith',
    services,
    masterKeys: true,
  })
  const { monolith, pipeline } = deployment
  const options = {
    system,
    target: isService ? deployment.services[named]! : named === 'monolith' ? monolith : pipeline,
    erasuresFrom: isService ? { monolith, pipeline } : null,
    masterKeys: deployment.masterKeys,
    sink:
      isService && !withoutSinks ? sinkOf(context.environment, system, named, `sluice restore ${named} --from ${from}`) : null,
    addsToSink: addToSinks,
    keys: readBackupKeys(context.environment),
    from,
    tool: await findTool('pg_restore', pgBin ?? null),
    signal: context.signal,
  }
  if (isDryRun) {
    const plan = await planRestore(options)
    sayMissingTables(context, plan)
    return {
      summary: `nothing was changed: ${planText(plan)} would be restored`,
      result: { dryRun: true, ...plan },
      text: sinksText(plan),
      nextSteps: [`sluice restore ${named} --from ${from}`],
    }
  }
  const phase = context.progress.phase(`restoring ${named}`)
  const line = restoreLine()
  const report = await restoreDatabase({ ...options, onProgress: (progress) => phase.update(line(progress)) }).catch(
    (error: unknown) => {
      phase.failed()
      throw error
    },
  )
  phase.done()
  sayMissingTables(context, report)
  const erased = report.erasures.reduce((sum, { subjects }) => sum + subjects, 0)
  return {
    summary: `${planText(report)} restored, the numbers of rows are those of the backup${erased > 0 ? `; ${formatCount(erased)} subjects erased again` : ''}${report.keptAs === null ? '' : `; what was written into the empty database meanwhile is kept as ${report.keptAs}`}`,
    result: { dryRun: false, ...report },
    text: sinksText(report),
    nextSteps: nextSteps(named),
  }
}

/** Its settings are read once a backup turns out to have tables of it. */
function sinkOf(environment: Environment, system: SystemDefinition, service: string, called: string): ServiceSink {
  return {
    tables: system.services[service]?.sinks ?? [],
    open: () => serviceSinks(environment, system, [service], called)[service]!.open(),
  }
}

function planText({ manifest, target, sinkTables }: RestorePlan): string {
  const rows = manifest.tables.reduce((sum, t) => sum + t.rows, 0n)
  const ofSink = sinkTables.length === 0 ? '' : `, and ${sinkTables.length} of its sink`
  return `${target} of ${manifest.startedAt}: ${formatCount(rows)} rows of ${manifest.tables.length} tables${ofSink}`
}

function sinksText({ sinkTables }: RestorePlan): string {
  if (sinkTables.length === 0) return ''
  return renderTable(
    [{ title: 'table of the sink' }, { title: 'rows', align: 'right' }, { title: 'had before', align: 'right' }],
    sinkTables.map(({ table, rows, held }) => [table, rows, held ?? 'not there']),
  )
}

function sayMissingTables(context: CommandContext, { sinkTablesNotInBackup }: RestorePlan): void {
  if (sinkTablesNotInBackup.length === 0) return
  context.say(
    `not in the backup, and left as they are: ${sinkTablesNotInBackup.join(', ')}; if the sink was lost, sluice provision --recreate fills it from the topics`,
  )
}

function nextSteps(named: string): readonly string[] {
  if (named === 'pipeline' || named === 'monolith') return ['sluice erase --recorded', 'sluice doctor', 'sluice run all']
  return [`sluice migrate status ${named}`, `sluice run projector ${named}`, `sluice verify --service ${named}`]
}

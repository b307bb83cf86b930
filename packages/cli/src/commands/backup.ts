/** `sluice backup [database]` */
import {
  type BackupManifest,
  type BackupPlan,
  type BackupTool,
  type ServiceSink,
  backupDatabase,
  findTool,
  isNewerThanServer,
  planBackup,
} from '@sluice/backup'
import { SluiceError } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { z } from 'zod'
import { backupLine } from '../backup-progress.ts'
import type { CommandContext, CommandImplementation, CommandOutcome } from '../command.ts'
import { readBackupKeys, readDeployment, requireService } from '../deployment.ts'
import { serviceSinks } from '../service-sinks.ts'
import { formatBytes, renderTable } from '../table.ts'

const Options = z.object({
  to: z.string().optional(),
  pgBin: z.string().optional(),
  compression: z.number().optional(),
  withoutSinks: z.boolean(),
  dryRun: z.boolean(),
})

export const backup: CommandImplementation = async (context, { args, options }) => {
  const { to, pgBin, compression, withoutSinks, dryRun: isDryRun } = Options.parse(options)
  const [named] = args
  const called = ['sluice backup', ...(named === undefined ? [] : [named])].join(' ')
  if (to === undefined) {
    throw new SluiceError('USAGE', {
      what: 'a backup needs a folder',
      why: '--to was not given',
      ways: [`${called} --to ./backups/$(date +%Y%m%dT%H%M%S)`],
    })
  }
  const system = await context.system()
  const services =
    named === undefined
      ? Object.keys(system.services)
      : named === 'monolith' || named === 'pipeline'
        ? []
        : [requireService(system, named)]
  const deployment = readDeployment(context.environment, system, {
    monolith: named === undefined || named === 'monolith',
    pipeline: named === undefined || named === 'pipeline',
    services,
  })
  const asked = [deployment.monolith, deployment.pipeline, ...services.map((service) => deployment.services[service])]
  const targets = asked.filter((target): target is PostgresTarget => target !== undefined)
  const keys = readBackupKeys(context.environment)
  const sinks = withoutSinks ? {} : serviceSinks(context.environment, system, services, `${called} --to ${to}`)
  const sinkOf = ({ name }: PostgresTarget): ServiceSink | null => sinks[name] ?? null
  const tool = await findTool('pg_dump', pgBin ?? null)
  // All of them, before the first one begins: a version that does not fit is told at once.
  const plans: BackupPlan[] = []
  for (const target of targets) plans.push(await planBackup({ target, sink: sinkOf(target), to, tool, keys }))
  plans.filter(isNewerThanServer).forEach((plan) => {
    context.say(
      `${plan.database}: pg_dump ${plan.pgDump} is newer than the server ${plan.server}, which will not take its backup; --pg-bin names others`,
    )
  })
  if (isDryRun) return planned(plans, `${called} --to ${to}`)
  const manifests: BackupManifest[] = []
  for (const [index, target] of targets.entries()) {
    const title = `backing up ${target.name}${targets.length === 1 ? '' : ` (${index + 1} of ${targets.length})`}`
    manifests.push(
      await backUp(context, title, {
        system: system.name,
        target,
        sink: sinkOf(target),
        to,
        tool,
        keys,
        ...(compression === undefined ? {} : { compression }),
      }),
    )
  }
  const bytes = manifests.reduce((sum, m) => sum + bytesOf(m), 0n)
  return {
    summary: `${manifests.length} ${manifests.length === 1 ? 'database' : 'databases'} backed up, ${formatBytes(bytes)}${keys === null ? ', in the clear' : ''}`,
    result: { dryRun: false, folder: to, backups: manifests },
    text: renderTable(
      [
        { title: 'database' },
        { title: 'tables', align: 'right' },
        { title: 'rows', align: 'right' },
        { title: 'of sinks', align: 'right' },
        { title: 'bytes', align: 'right' },
        { title: 'key' },
      ],
      manifests.map((m) => [
        m.database,
        m.tables.length,
        m.tables.reduce((sum, t) => sum + t.rows, 0n),
        m.sinks.reduce((sum, t) => sum + t.rows, 0n),
        formatBytes(bytesOf(m)),
        m.encryption?.key ?? null,
      ]),
    ),
    nextSteps: [`sluice backup verify ${to}`],
  }
}

async function backUp(
  context: CommandContext,
  title: string,
  options: Omit<Parameters<typeof backupDatabase>[0], 'signal' | 'onProgress'> & { readonly tool: BackupTool },
): Promise<BackupManifest> {
  const phase = context.progress.phase(title)
  const line = backupLine()
  try {
    const manifest = await backupDatabase({
      ...options,
      onProgress: (progress) => phase.update(line(progress)),
      signal: context.signal,
    })
    phase.done(formatBytes(bytesOf(manifest)))
    return manifest
  } catch (error) {
    phase.failed()
    throw error
  }
}

/** The dump, and the tables of the sink. */
function bytesOf({ file, sinks }: BackupManifest): bigint {
  return sinks.reduce((sum, table) => sum + table.file.bytes, file.bytes)
}

function planned(plans: readonly BackupPlan[], called: string): CommandOutcome {
  return {
    summary: `nothing was written: ${plans.length} ${plans.length === 1 ? 'database' : 'databases'} would be backed up${plans.some((p) => p.isEncrypted) ? ', encrypted' : ', in the clear'}`,
    result: { dryRun: true, backups: plans },
    text: renderTable(
      [
        { title: 'database' },
        { title: 'server' },
        { title: 'pg_dump' },
        { title: 'tables', align: 'right' },
        { title: 'of its sink', align: 'right' },
        { title: 'on its server', align: 'right' },
        { title: 'folder' },
      ],
      plans.map((p) => [p.database, p.server, p.pgDump, p.tables, p.sinkTables.length, formatBytes(p.databaseBytes), p.folder]),
    ),
    nextSteps: [called],
  }
}

/** `sluice verify`: exit 0 equal, 4 different or partial. */
import { type EventDecoder, createEventDecoder } from '@sluice/avro'
import { silentLogger } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { verifySystem } from '@sluice/verify'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { type Environment, readDeployment, requireService } from '../deployment.ts'
import { loadDurationMs, readMigrationLoads } from '../migration-loads.ts'
import { assertReportWritable, migrationReport, writeMigrationReport } from '../migration-report.ts'
import { kafkaOf, registryOf } from '../servers.ts'
import { sinksOf } from '../sinks.ts'
import { formatCount, formatSeconds } from '../table.ts'
import { consistencyTable, countsTable, verifyNotes, verifyProgress, verifyTable, verifyVerdict } from '../verify-output.ts'

const Options = z.object({
  service: z.string().optional(),
  counts: z.boolean(),
  report: z.string().optional(),
  timeout: z.number(),
})

export const verify: CommandImplementation = async (context, { options }) => {
  const { service, counts, report: reportFile, timeout } = Options.parse(options)
  if (reportFile !== undefined) await assertReportWritable(reportFile)
  const system = await context.system()
  const services = service === undefined ? Object.keys(system.services) : [requireService(system, service)]
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services: Object.keys(system.services),
    kafka: true,
    masterKeys: true,
  })
  const show = verifyProgress(context.progress, context.say)
  const startedAt = new Date()
  const report = await verifySystem({
    system,
    services,
    targets: deployment,
    kafka: kafkaOf(deployment.kafka, silentLogger),
    masterKeys: deployment.masterKeys,
    ...(counts ? { decoder: decoderOf(context.environment, system) } : {}),
    openSinks: sinksOf(context.environment, system, services),
    limits: { standMs: timeout * 1000, slotMs: timeout * 1000, stallMs: timeout * 1000 },
    onProgress: show.onProgress,
    signal: context.signal,
  })
  show.done()
  if (reportFile !== undefined) {
    const loads = await readMigrationLoads(deployment.pipeline, system.name)
    const loadMs = loadDurationMs(loads)
    const timings = [
      ...(loadMs === null ? [] : [{ phase: 'load', durationMs: loadMs }]),
      { phase: 'verify', durationMs: report.durationMs },
    ]
    const course = { startedAt, finishedAt: new Date(), timings, steps: [], loads, verification: report }
    await writeMigrationReport(reportFile, migrationReport(course))
  }
  const verdict = verifyVerdict(report)
  const rows = report.services.flatMap((s) => s.tables).reduce((sum, t) => sum + t.sourceRows, 0)
  return {
    summary: `equal: ${formatCount(rows)} rows compared in ${formatSeconds(report.durationMs / 1000)}, projectors held ${report.heldMs} ms`,
    result: { equal: verdict === null, ...report },
    text: [
      verifyTable(report.services),
      '',
      consistencyTable(report.services),
      '',
      ...(report.counts ? [countsTable(report.counts), ''] : []),
      ...verifyNotes(report),
    ].join('\n'),
    ...(verdict ? { verdict } : {}),
  }
}

/** Only who reads messages needs the registry. */
function decoderOf(environment: Environment, system: SystemDefinition): EventDecoder {
  return createEventDecoder(registryOf(readDeployment(environment, system, { registry: true }).registry), system)
}

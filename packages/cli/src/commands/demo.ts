/** `sluice demo`: exit 0 only if everything is equal. */
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { demoPlanText } from '../demo/demo-plan.ts'
import { demoTable } from '../demo/demo-report.ts'
import { demoVerdict } from '../demo/demo-verdict.ts'
import { dryRunDemo, runDemo } from '../demo/run-demo.ts'
import { assertReportWritable, migrationReport, writeMigrationReport } from '../migration-report.ts'
import { formatCount, formatSeconds } from '../table.ts'
import { consistencyTable, verifyNotes } from '../verify-output.ts'

const Options = z.object({
  rows: z.number().min(1),
  seed: z.number(),
  rate: z.number().min(1),
  seconds: z.number().min(1),
  report: z.string().optional(),
  dryRun: z.boolean(),
  keep: z.boolean(),
})

export const demo: CommandImplementation = async (context, { options }) => {
  const { rows, seed, rate, seconds, report: reportFile, dryRun: isDryRun, keep } = Options.parse(options)
  if (isDryRun) {
    const plan = await dryRunDemo(context, { rows, seed, ratePerSecond: rate, seconds })
    const filled = Object.values(plan.rows).reduce((sum, n) => sum + n, 0)
    return {
      summary: `nothing was started: ${formatCount(filled)} rows of ${plan.system} would go to ${plan.databases.length - 2} services`,
      result: { dryRun: true, ...plan },
      text: demoPlanText(plan),
    }
  }
  if (reportFile !== undefined) await assertReportWritable(reportFile)
  const { report, migration, stay } = await runDemo(context, { rows, seed, ratePerSecond: rate, seconds, isKept: keep })
  const { verification } = migration
  if (reportFile !== undefined) await writeMigrationReport(reportFile, migrationReport(migration))
  const verdict = demoVerdict(report, verification)
  const compared = report.services.flatMap((s) => s.tables).reduce((sum, t) => sum + t.sourceRows, 0)
  const { lagMs } = report
  return {
    summary: `equal: ${formatCount(compared)} rows in ${report.services.length} services, ${formatSeconds(report.durationMs / 1000)} in all`,
    result: report,
    text: [
      demoTable(report),
      '',
      consistencyTable(report.services),
      '',
      ...verifyNotes(verification),
      `lag from commit to commit: p50 ${lagMs.p50} ms, p99 ${lagMs.p99} ms, over ${formatCount(lagMs.changes)} changes`,
    ].join('\n'),
    ...(verdict ? { verdict } : {}),
    ...(stay ? { afterwards: stay } : {}),
  }
}

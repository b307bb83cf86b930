/** `sluice demo`: exit 0 only if everything is equal. */
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { runDemo } from '../demo/run-demo.ts'
import { demoTable } from '../demo/demo-report.ts'
import { demoVerdict } from '../demo/demo-verdict.ts'
import { formatCount, formatSeconds } from '../table.ts'
import { consistencyTable, verifyNotes } from '../verify-output.ts'

const Options = z.object({
  rows: z.number().min(1),
  seed: z.number(),
  rate: z.number().min(1),
  seconds: z.number().min(1),
  keep: z.boolean(),
})

export const demo: CommandImplementation = async (context, { options }) => {
  const { rows, seed, rate, seconds, keep } = Options.parse(options)
  const { report, verification, stay } = await runDemo(context, { rows, seed, ratePerSecond: rate, seconds, isKept: keep })
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

/** What the demo's report comes to. */
import { SluiceError } from '@sluice/core'
import type { VerifyReport } from '@sluice/verify'
import { verifyVerdict } from '../verify-output.ts'
import { type DemoReport, countProblems } from './demo-report.ts'

/** null if all is equal. */
export function demoVerdict(report: DemoReport, verification: VerifyReport): SluiceError | null {
  const found = verifyVerdict(verification)
  if (found) return found
  const problems = [
    ...countProblems(report.events),
    ...report.services.flatMap((s) => s.tables.flatMap((t) => (t.sourceRows > 0 ? [] : [`${s.service}.${t.table} has no rows`]))),
  ]
  if (problems.length === 0) return null
  return new SluiceError('VERIFY_DIFFERENT', {
    what: 'the rows are equal, the events are not',
    why: problems.join('\n'),
    ways: ['sluice demo --keep    leaves everything running to look at it'],
  })
}

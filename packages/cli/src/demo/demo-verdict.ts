/** What the demo's report comes to. */
import { SluiceError } from '@sluice/core'
import type { VerifyReport } from '@sluice/verify'
import { verifyVerdict } from '../verify-output.ts'
import type { DemoReport } from './demo-report.ts'

/** null if all is equal, no table is empty, and the workload did to every table what that allows. */
export function demoVerdict(report: DemoReport, verification: VerifyReport): SluiceError | null {
  const found = verifyVerdict(verification)
  if (found) return found
  if (report.problems.length === 0) return null
  return new SluiceError('VERIFY_DIFFERENT', {
    what: 'the rows are equal, and yet the demo did not show what it should',
    why: report.problems.join('\n'),
    ways: ['sluice demo --keep    leaves everything running to look at it'],
  })
}

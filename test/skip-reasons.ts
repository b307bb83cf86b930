/**
 * A reporter of Vitest that puts the reason a test was skipped with (`context.skip(condition, reason)`) where the `json` reporter,
 * which leaves it out, writes it: into the test's meta, as `skipReason`.
 */
import type { Reporter, TestCase } from 'vitest/node'

declare module 'vitest' {
  interface TaskMeta {
    skipReason?: string
  }
}

export default class SkipReasons implements Reporter {
  onTestCaseResult(testCase: TestCase): void {
    const result = testCase.result()
    if (result.state === 'skipped' && result.note !== undefined) testCase.meta().skipReason = result.note
  }
}

import { expect, test } from 'vitest'
import { consistencyOf } from './consistency.ts'
import type { TableReport } from './verify-report.ts'

function table(counts: Partial<TableReport>): TableReport {
  return {
    table: 't',
    sourceRows: 0,
    targetRows: 0,
    missing: 0,
    extra: 0,
    different: 0,
    status: 'equal',
    reason: null,
    comparedColumns: [],
    targetOnlyColumns: [],
    examples: [],
    durationMs: 0,
    ...counts,
  }
}

test('one row of a million that differs is not 100 percent', () => {
  const { percent } = consistencyOf([table({ sourceRows: 1_000_000, different: 1, status: 'different' })], [])
  expect(percent).toBe(99.99)
})

test('tables without a row are as they must be', () => {
  expect(consistencyOf([table({})], []).percent).toBe(100)
})

test('a service of which nothing was compared has no percentage', () => {
  expect(consistencyOf([], []).percent).toBeNull()
})

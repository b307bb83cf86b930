import { expect, test } from 'vitest'
import { FaultReport } from './fault-report.ts'

const fault = (kind: string, inFlight: number): Parameters<FaultReport['add']>[0] => ({
  kind,
  place: '',
  inFlight,
  recoveryMs: 1,
})

test('a fault with nothing in flight does not count, and a run that lacks one says of which kind', () => {
  const report = new FaultReport(['kill-relay', 'kill-relay', 'cut-kafka'], () => undefined)
  expect(report.add(fault('kill-relay', 3))).toBe(true)
  expect(report.add(fault('kill-relay', 0))).toBe(false)
  expect(report.add(fault('cut-kafka', 1))).toBe(true)
  expect(report.lacking()).toEqual(['kill-relay: 1 of 2 planned faults counted'])
  report.add(fault('kill-relay', 1))
  expect(report.lacking()).toEqual([])
  expect(report.summary({ seed: 1, postgres: '17' })).toMatchObject({ faults: 3, notCounted: 1 })
})

test('a run knows whether anything struck at all', () => {
  const report = new FaultReport(['kill-relay'], () => undefined)
  expect(report.struckLast).toBeNull()
  report.strikes('kill-relay')
  expect(report.struckLast).toBe('kill-relay')
})

test('a run in which no transaction was as large as was meant lacks it', () => {
  const report = new FaultReport([], () => undefined)
  report.expectsCommitOf(50_000)
  report.addCommit(3_000)
  expect(report.lacking()).toEqual(['the largest transaction that was stored has 3000 events, not 50000 or more'])
  report.addCommit(75_000)
  report.addCommit(10)
  expect(report.lacking()).toEqual([])
  expect(report.summary({ seed: 1, postgres: '17' })).toMatchObject({ largestCommit: 75_000 })
})

import { expect, test } from 'vitest'
import { consistencyOf } from './consistency.ts'
import {
  type LaneChain,
  type ReferenceReport,
  type ServiceReport,
  type TableStatus,
  type VerifyReport,
  isGreen,
  verdictOf,
} from './verify-report.ts'

function table(status: TableStatus): ServiceReport['tables'][number] {
  return {
    table: 't',
    sourceRows: 1,
    targetRows: 1,
    missing: 0,
    extra: 0,
    different: 0,
    status,
    reason: null,
    comparedColumns: [],
    targetOnlyColumns: [],
    examples: [],
    durationMs: 0,
  }
}

function reference(status: ReferenceReport['status']): ReferenceReport {
  return { constraint: 'c', table: 't', references: 'u', rows: 1, orphans: status === 'broken' ? 1 : 0, status }
}

function verdict(
  statuses: TableStatus[],
  chain: LaneChain['status'] = 'whole',
  isComplete = true,
  references: ReferenceReport[] = [],
  gaps: VerifyReport['versions']['gaps'] = [],
): VerifyReport['verdict'] {
  const tables = statuses.map(table)
  const consistency = consistencyOf(tables, references)
  return verdictOf({
    isComplete,
    services: [{ service: 's', lanes: [], parked: 0, edited: [], tables, references, consistency }],
    chain: [{ lane: 'monolith', status: chain, links: 1n, events: 1n, problem: null, parkedAtRelay: 0 }],
    versions: { gaps, durationMs: 1 },
  })
}

test('equal is everything equal, and the chain whole', () => {
  expect(verdict(['equal', 'equal'])).toBe('equal')
})

test.each([
  ['an unverifiable table', verdict(['equal', 'unverifiable']), 'partial'],
  ['a verification of some tables', verdict(['equal'], 'whole', false), 'partial'],
  ['a chain without its head', verdict(['equal'], 'unchecked'), 'partial'],
  ['a service without any table', verdict([]), 'partial'],
  ['a difference beside something unverifiable', verdict(['different', 'unverifiable']), 'different'],
  ['a reference to nothing in equal tables', verdict(['equal'], 'whole', true, [reference('broken')]), 'different'],
  [
    'a gap in the versions of an aggregate',
    verdict(['equal'], 'whole', true, [], [{ aggregateType: 'A', aggregateId: 'a', why: 'head 2' }]),
    'different',
  ],
  ['a reference that was not counted', verdict(['equal'], 'whole', true, [reference('unverifiable')]), 'partial'],
  ['a broken chain under equal tables', verdict(['equal'], 'broken'), 'different'],
] as const)('%s is never green', (_what, given, wanted) => {
  expect(given).toBe(wanted)
  expect(isGreen({ verdict: given } as VerifyReport)).toBe(false)
})

import type { PlaceCount, TableReport } from '@sluice/verify'
import { expect, test } from 'vitest'
import type { Progress } from './progress.ts'
import { countsTable, verifyProgress } from './verify-output.ts'

const TABLE: TableReport = {
  table: 'people',
  sourceRows: 1,
  targetRows: 1,
  missing: 0,
  extra: 0,
  different: 0,
  status: 'equal',
  reason: null,
  comparedColumns: ['id'],
  targetOnlyColumns: [],
  examples: [],
  durationMs: 1,
}

/** Every line of a phase, as soon as it is told. */
function shown(): { readonly lines: string[]; readonly progress: Progress } {
  const lines: string[] = []
  const phase = (title: string) => ({
    update: (text: string) => void lines.push(`${title}: ${text}`),
    done: () => undefined,
    failed: () => undefined,
  })
  return { lines, progress: { phase } }
}

test('while tables are compared, the time left follows their bytes and not their number', () => {
  let clock = 0
  const { lines, progress } = shown()
  const { onProgress } = verifyProgress(
    progress,
    () => undefined,
    () => clock,
  )
  onProgress({ phase: 'measured', bytes: 1_000_000 })
  onProgress({ phase: 'comparing', service: 'crm', table: 'people' })
  // A tenth of the tables, and half of the bytes.
  clock = 60_000
  onProgress({ phase: 'compared', service: 'crm', table: TABLE, bytes: 500_000 })
  onProgress({ phase: 'comparing', service: 'crm', table: 'notes' })
  expect(lines).toEqual([
    'comparing: crm.people',
    'comparing: crm.people: equal, about 1 m 00 s left',
    'comparing: crm.notes, about 1 m 00 s left',
  ])
})

test('while a chain is recomputed, the time left follows its events', () => {
  let clock = 0
  const { lines, progress } = shown()
  const { onProgress } = verifyProgress(
    progress,
    () => undefined,
    () => clock,
  )
  const chain = { phase: 'chain', lane: 'monolith', of: 90_000n } as const
  onProgress({ ...chain, events: 10_000n })
  clock = 4_000
  onProgress({ ...chain, events: 50_000n })
  expect(lines.at(-1)).toBe('recomputing the hash chain: monolith: 50,000 of 90,000 events, about 4.0 s left')
})

test('while a sink is compared, the time left follows the rows that were read there', () => {
  let clock = 0
  const { lines, progress } = shown()
  const { onProgress } = verifyProgress(
    progress,
    () => undefined,
    () => clock,
  )
  const sink = { phase: 'sink', service: 'ai', table: 'weaviate.Note' } as const
  onProgress({ ...sink, rows: 0, of: null })
  onProgress({ ...sink, rows: 0, of: 9_000 })
  clock = 4_000
  onProgress({ ...sink, rows: 6_000, of: 9_000 })
  expect(lines).toEqual([
    'comparing sinks: ai.weaviate.Note: counting its rows',
    'comparing sinks: ai.weaviate.Note: 0 of 9,000 rows',
    'comparing sinks: ai.weaviate.Note: 6,000 of 9,000 rows, about 2.0 s left',
  ])
})

test('counts are a block for each table, narrower than 100 columns, with their notes below', () => {
  const place = (name: string, change: Partial<PlaceCount>): PlaceCount => ({
    place: name,
    holds: 'events',
    count: 1_302,
    expected: 1_302,
    status: 'equal',
    note: null,
    ...change,
  })
  const places = [
    place('monolith', { holds: 'rows', count: 417, expected: null, status: null }),
    place('topic contracts.opportunities.migrated', {}),
    place('ai.weaviate.Opportunity', { holds: 'rows', count: 416, expected: 417, status: 'different' }),
    place('analytics.clickhouse.opportunity_events', { note: 'of loaded rows only those of the last 90 days' }),
  ]
  const patterns = [
    { pattern: 'contracts.opportunities.*', topics: 1, events: 1_302, messages: 1_302 },
    { pattern: 'contracts.proposals.*', topics: 2, events: 90, messages: 90 },
  ]
  const text = countsTable({ tables: [{ table: 'public.opportunities', places }], topics: [], patterns })
  expect(text.split('\n')).toEqual([
    'place                                      holds   count  must be  verdict',
    'public.opportunities',
    '  monolith                                 rows      417',
    '  topic contracts.opportunities.migrated   events  1,302    1,302  equal',
    '  ai.weaviate.Opportunity                  rows      416      417  different',
    '  analytics.clickhouse.opportunity_events  events  1,302    1,302  equal',
    'contracts.proposals.*, 2 topics            events     90       90',
    'public.opportunities, analytics.clickhouse.opportunity_events: of loaded rows only those of the last 90 days',
  ])
})

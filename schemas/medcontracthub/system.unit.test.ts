import { type CapturedTable, type ColumnType, topicsOf, lanesOf } from '@sluice/system'
import { expect, test } from 'vitest'
import system from './system.ts'

const KINDS: readonly (readonly [kind: string, is: (column: ColumnType) => boolean])[] = [
  ['text', (c) => c.sqlType === 'text'],
  ['numeric', (c) => /^(numeric|smallint|integer)/.test(c.sqlType) && !c.sqlType.endsWith('[]')],
  ['array', (c) => c.sqlType.endsWith('[]')],
  ['jsonb', (c) => c.sqlType === 'jsonb'],
  ['enum', (c) => c.labels !== undefined],
  ['NULL', (c) => c.isNullable],
  ['timestamptz', (c) => c.sqlType === 'timestamp with time zone'],
  ['boolean', (c) => c.sqlType === 'boolean'],
]

test.each(system.monolith.tables.map((t): [string, CapturedTable] => [t.name, t]))(
  '%s has a column of every kind',
  (_name, table) => {
    const missing = KINDS.filter(([, is]) => !Object.values(table.columns).some(is)).map(([kind]) => kind)
    expect(missing).toEqual([])
  },
)

test('topics and event types have the names of the document', () => {
  expect(lanesOf(system).flatMap((lane) => topicsOf(lane).map((t) => t.name))).toEqual([
    'contracts.companies.migrated',
    'contracts.users.migrated',
    'contracts.opportunities.migrated',
    'contracts.proposals.migrated',
    'contracts.documents.migrated',
    'contracts.api_usage.migrated',
    'contracts.proposals.events',
    'contracts.documents.events',
  ])
  expect(system.monolith.tables[2].eventTypes).toMatchObject({ loaded: 'OpportunityMigrated', created: 'OpportunityCreated' })
  expect(Object.keys(system.services)).toEqual(['ocr', 'analytics', 'ai', 'realtime', 'worker'])
})

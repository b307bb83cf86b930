import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { apiUsageEvents, opportunityEvents } from './services/analytics/event-tables.ts'
import system from './with-sinks.ts'

test('analytics has the two tables of the plan in ClickHouse; everything else is as without', () => {
  expect(system.services.analytics.sinks.map((table) => table.name)).toEqual(['opportunity_events', 'api_usage_events'])
  expect(Object.values(system.services).filter((service) => 'sinks' in service)).toHaveLength(1)
})

test.each([opportunityEvents, apiUsageEvents])('$name has every column that is filled, and collapses repeats', (table) => {
  const text = readFileSync(table.structure, 'utf8')
  expect(text).toContain(`CREATE TABLE IF NOT EXISTS ${table.name} (`)
  for (const column of Object.keys(table.columns)) expect(text).toMatch(new RegExp(`^  ${column} `, 'm'))
  expect(text).toMatch(/ENGINE = ReplacingMergeTree\(position\)[^]*ORDER BY \([^)]*event_id\)/)
})

test('what was there before is a HistoricalImport of the last 90 days', () => {
  expect(opportunityEvents.history).toMatchObject({ eventType: 'HistoricalImport', column: { name: 'created_at' }, days: 90 })
})

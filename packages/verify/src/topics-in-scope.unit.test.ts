import { bigint, clickhouseEvents, defineSystem, mapTable, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { topicsInScope } from './topics-in-scope.ts'

const none = new URL('file:///none/')
const columns = { id: bigint(), title: text() }
const notices = table('notices', { aggregate: 'Notice', key: ['id'], topic: topic('board.notices'), columns })
const readings = table('readings', { aggregate: 'Reading', key: ['id'], topic: topic('board.readings'), columns })
const drafts = table('drafts', { aggregate: 'Draft', key: ['id'], topic: topic('board.drafts'), columns })
const system = defineSystem({
  name: 'board',
  avroSchemas: none,
  monolith: { tables: [notices, readings, drafts], outbox: { topic: topic('board.events') } },
  services: {
    shop: { migrations: none, projections: [mapTable(notices, { into: 'notices' })] },
    history: {
      migrations: none,
      projections: [],
      sinks: [clickhouseEvents(readings, { into: 'reading_events', structure: none, columns: (c) => ({ title: c.title }) })],
    },
  },
})

test('of one service the topics are counted that its tables and its sink consume', () => {
  expect(topicsInScope(system, ['shop'])).toEqual(new Set(['board.notices']))
  expect(topicsInScope(system, ['history'])).toEqual(new Set(['board.readings']))
})

test('of all services every topic of the system is counted, those that nobody consumes too', () => {
  const all = new Set(['board.notices', 'board.readings', 'board.drafts', 'board.events'])
  expect(topicsInScope(system, ['shop', 'history'])).toEqual(all)
})

import { expect, test } from 'vitest'
import { table } from '../captured-table.ts'
import { text, timestamptz, uuid } from '../column-type.ts'
import { decrypt } from '../decrypt-grant.ts'
import { encrypt } from '../privacy.ts'
import { type SinkTable, clickhouseEvents } from '../sink-table.ts'
import type { ServiceDefinition, SystemDefinition } from '../system-definition.ts'
import { topic } from '../topic.ts'
import { sinkMistakes } from './sink-mistakes.ts'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('board.notices'),
  columns: { id: uuid(), title: text(), created_at: timestamptz() },
  privacy: { title: encrypt({ subject: 'id' }) },
})
const structure = new URL('file:///notice_events.sql')
const events = clickhouseEvents(notices, {
  into: 'notice_events',
  structure,
  columns: (c) => ({ title: c.title }),
  history: { eventType: 'HistoricalImport', column: (c) => c.created_at, days: 90 },
})

function mistakes(sinks: readonly SinkTable[], more: Partial<ServiceDefinition> = {}): readonly string[] {
  const system: SystemDefinition = {
    name: 'board',
    avroSchemas: structure,
    monolith: { tables: [notices] },
    services: { reports: { migrations: structure, projections: [], sinks, ...more } },
  }
  return sinkMistakes(system, 'reports').map(({ place, problem }) => `${place}: ${problem}`)
}

test('a table of events over captured columns is right', () => {
  expect(mistakes([events])).toEqual([])
})

test('one store a service, one table a source', () => {
  expect(mistakes([events, { ...events, name: 'again' }])).toEqual([
    'services.reports.sinks[1]: public.notices fills another table of the service already',
  ])
  expect(mistakes([events, { ...events, store: 'weaviate' }])).toContain(
    'services.reports.sinks[1]: a service has one store: this is weaviate, the first is clickhouse',
  )
})

test('a column that is granted in the clear does not go where an erasure does not reach', () => {
  expect(mistakes([events], { decrypt: [decrypt(notices, { title: '[erased]' })] })).toEqual([
    'services.reports.sinks[0].columns.title: "title" is granted in the clear, and an erasure does not reach a sink',
  ])
})

test('members of an independent service share no sink; history is told by a time', () => {
  const wrong: SinkTable = { ...events, history: { eventType: 'x', column: notices.refs.id, days: 0 } }
  expect(mistakes([wrong], { independent: true })).toEqual([
    'services.reports.sinks: the members of an independent service do not share a sink: leave out independent',
    'services.reports.sinks[0].history.column: "id" must be a timestamptz of public.notices',
    'services.reports.sinks[0].history.days: days is 0, it must be more than 0',
  ])
})

test('a column that is not captured is named', () => {
  const wrong: SinkTable = { ...events, columns: { title: { kind: 'column', name: 'subtitle' } } }
  expect(mistakes([wrong])).toEqual(['services.reports.sinks[0].columns.title: public.notices has no captured column "subtitle"'])
})

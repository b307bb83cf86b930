import { bigint, clickhouseEvents, defineSystem, mapTable, sql, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { consistencyOf } from './consistency.ts'
import { countReport } from './count-report.ts'
import type { TableReport, TopicReport } from './verify-report.ts'
import { unverifiableTable } from './verify-table.ts'

const none = new URL('file:///none/')
const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('board.notices.migrated'),
  columns: { id: bigint(), title: text() },
})
const noticeEvents = clickhouseEvents(notices, { into: 'notice_events', structure: none, columns: (c) => ({ title: c.title }) })
const system = defineSystem({
  name: 'board',
  avroSchemas: none,
  monolith: { tables: [notices], outbox: { topic: topic('board.notices.events') } },
  services: {
    shop: {
      migrations: none,
      projections: [mapTable(notices, { into: 'open_notices', filter: (c) => sql`${c.id} > 10` })],
      sinks: [noticeEvents],
    },
  },
})

function compared(name: string, sourceRows: number, targetRows: number): TableReport {
  const report = unverifiableTable(name, '')
  return { ...report, sourceRows, targetRows, status: sourceRows === targetRows ? 'equal' : 'different', reason: null }
}

function topicOf(name: string, events: number, messages: number): TopicReport {
  const none = { missing: 0, extra: 0, different: 0, outOfOrder: 0, examples: [], durationMs: 1 }
  const status = events === messages ? 'equal' : 'different'
  return { topic: name, lane: 'monolith', through: 9n, events, messages, status, note: null, ...none }
}

function countsOf(tables: readonly TableReport[]): ReturnType<typeof countReport> {
  const service = {
    service: 'shop',
    tables,
    references: [],
    consistency: consistencyOf(tables, []),
    lanes: [],
    parked: 0,
    edited: [],
  }
  const topics = [topicOf('board.notices.migrated', 50, 49), topicOf('board.notices.events', 3, 3)]
  const monolith = new Map([['public.notices', { rows: 30, note: null }]])
  return countReport({ system, tables: [notices], monolith, topics, services: [service] })
}

test('a table has a line for each store, each held against what that store must have', () => {
  const { tables } = countsOf([compared('open_notices', 20, 20), compared('clickhouse.notice_events', 50, 48)])
  expect(tables).toMatchObject([
    {
      table: 'public.notices',
      places: [
        { place: 'monolith', holds: 'rows', count: 30, expected: null, status: null },
        { place: 'event store', holds: 'events', count: 50 },
        { place: 'topic board.notices.migrated', holds: 'events', count: 49, expected: 50, status: 'different' },
        {
          place: 'shop.open_notices',
          holds: 'rows',
          count: 20,
          expected: 20,
          status: 'equal',
          note: 'a filter: only some of the rows',
        },
        { place: 'shop.clickhouse.notice_events', holds: 'events', count: 48, expected: 50, status: 'different' },
      ],
    },
  ])
})

test('topics are counted together by the pattern of their names', () => {
  expect(countsOf([]).patterns).toEqual([{ pattern: 'board.notices.*', topics: 2, events: 53, messages: 52 }])
})

test('what could not be compared has no number, and says why', () => {
  const { tables } = countsOf([unverifiableTable('clickhouse.notice_events', 'retention removed the events up to position 7')])
  expect(tables[0]!.places.at(-1)).toMatchObject({
    count: null,
    expected: null,
    status: 'unverifiable',
    note: expect.stringContaining('retention') as string,
  })
})

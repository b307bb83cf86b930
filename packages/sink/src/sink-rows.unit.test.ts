import type { RowText } from '@sluice/core'
import { type ProjectedEvent, type SinkTable, clickhouseEvents, table, text, timestamptz, topic, uuid } from '@sluice/system'
import { expect, test } from 'vitest'
import { sinkRowsOf } from './sink-rows.ts'

const [OLD, NEW] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']

const source = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('board.notices', { partitions: 1 }),
  columns: { id: uuid(), title: text(), body: text().nullable(), created_at: timestamptz() },
})
const events = clickhouseEvents(source, {
  into: 'notice_events',
  structure: new URL('file:///notice_events.sql'),
  columns: (c, e) => ({ notice: c.id, title: c.title, body: c.body, kind: e.eventType, who: e.userUuid }),
  history: { eventType: 'HistoricalImport', column: (c) => c.created_at, days: 90 },
})
const objects: SinkTable = { ...events, kind: 'objects', history: null }

/** Committed at 2026-04-01 00:00:00 UTC. */
function event(op: ProjectedEvent['op'], after: RowText | null, before: RowText | null = null): ProjectedEvent {
  return {
    eventId: '33333333-3333-5333-8333-333333333333',
    eventType: `Notice.${op}`,
    aggregateType: 'Notice',
    aggregateId: OLD,
    aggregateKey: null,
    version: 1,
    lane: 1,
    position: 7n,
    commitLsn: '0/1',
    committedAtMicros: BigInt(Date.UTC(2026, 3, 1)) * 1_000n,
    context: { userId: 'ada' },
    migrationId: null,
    op,
    before,
    after,
    payload: null,
  }
}

function rowsOf(of: SinkTable, from: ProjectedEvent): readonly unknown[] {
  const mapped = sinkRowsOf(of, from)
  return 'rows' in mapped ? mapped.rows.map(({ op, aggregateId, values }) => ({ op, aggregateId, values })) : [mapped.refusal]
}

test('a row has the columns that the event has: an absent one is absent, and NULL is NULL', () => {
  const [row] = rowsOf(events, event('u', { id: OLD, body: null }))
  expect(row).toMatchObject({
    values: { notice: OLD, body: null, kind: 'Notice.u', who: expect.stringMatching(/-5\w{3}-/) as unknown },
  })
  expect(row).not.toHaveProperty('values.title')
})

test('an unchanged value comes from the old row, where that was sent', () => {
  const [row] = rowsOf(events, event('u', { id: OLD, body: 'new' }, { id: OLD, title: 'kept', body: 'old' }))
  expect(row).toMatchObject({ values: { title: 'kept', body: 'new' } })
})

test.each([
  ['2026-01-01 00:00:00+00', ['HistoricalImport']],
  ['2025-12-31 23:59:59.999999+00', []],
  ['infinity', ['HistoricalImport']],
])('a loaded row is history: it has the event type of history, and none if it is older (%s)', (createdAt, kinds) => {
  const mapped = sinkRowsOf(events, event('r', { id: OLD, created_at: createdAt }))
  expect('rows' in mapped && mapped.rows.map((row) => row.values['kind'])).toEqual(kinds)
})

test('only loaded rows are history: a change of an old row is an event as any other', () => {
  expect(rowsOf(events, event('u', { id: OLD, created_at: '2001-01-01 00:00:00+00' }))).toHaveLength(1)
})

test('a change of key removes the object of the old key and writes that of the new one', () => {
  const whole = { id: NEW, title: 't', body: null, created_at: '2026-01-01 00:00:00+00' }
  expect(rowsOf(objects, event('u', whole, { id: OLD }))).toMatchObject([
    { op: 'd', aggregateId: OLD, values: {} },
    { op: 'u', aggregateId: NEW, values: { notice: NEW, title: 't', body: null } },
  ])
})

test('the object of a new key has no value to keep: without one the event is refused', () => {
  expect(rowsOf(objects, event('u', { id: NEW, title: 't' }, { id: OLD }))).toMatchObject([
    { table: 'notice_events', column: 'body' },
  ])
})

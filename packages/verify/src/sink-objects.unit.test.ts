import { type EventData, formatEventData, positionNumber } from '@sluice/core'
import type { SinkedRow } from '@sluice/sink'
import { arrayOf, table, text, topic, uuid, weaviateObjects } from '@sluice/system'
import { expect, test } from 'vitest'
import type { ExpectedObject } from './expected-objects.ts'
import type { AskStore } from './object-event.ts'
import { compareSinkObjects } from './sink-objects.ts'
import type { TableReport } from './verify-report.ts'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('board.notices'),
  columns: { id: uuid(), title: text(), labels: arrayOf(text()).nullable() },
})
const objects = weaviateObjects(notices, {
  into: 'Notice',
  structure: new URL('file:///none'),
  columns: (c) => ({ title: c.title, labels: c.labels }),
  embedded: ['title'],
})
const A = '00000000-0000-4000-8000-00000000000a'
const B = '00000000-0000-4000-8000-00000000000b'
const THROUGH = 10n

/** An event after the point. */
interface Later {
  readonly position: number
  readonly id: string
  readonly data: EventData
}

function wanted(aggregateId: string, position: bigint, title: string, labels: string | null = null): ExpectedObject {
  return { aggregateId, eventId: `event-${position}`, position, values: { title, labels } }
}

function held(aggregateId: string, position: bigint, title: string, change: Partial<SinkedRow> = {}): SinkedRow {
  const values = { title, labels: null }
  return { aggregateId, eventId: `event-${position}`, lane: 1, position: positionNumber(position), values, ...change }
}

function compare(
  expected: readonly ExpectedObject[],
  found: readonly SinkedRow[],
  later: readonly Later[] = [],
): Promise<TableReport> {
  const ask: AskStore = <Row extends object>(query: string, values: readonly unknown[]) => {
    const isByPosition = query.includes('position = ANY')
    const wantedPositions = isByPosition ? (values[1] as readonly string[]) : []
    const ids = isByPosition ? [] : (values[3] as readonly string[])
    const rows = isByPosition
      ? later
          .filter(({ position }) => wantedPositions.includes(String(position)))
          .map(({ position, id, data }) => ({
            position: String(position),
            eventId: `event-${position}`,
            aggregateId: id,
            data: formatEventData(data),
          }))
      : later
          .filter(({ id, data }) => data.op === 't' || (data.op === 'd' && ids.includes(id)))
          .map(({ id, data }) => ({ id, op: data.op }))
    return Promise.resolve(rows as unknown as Row[])
  }
  const sink = {
    read: async function* () {
      yield await Promise.resolve(found)
    },
  }
  const stream = (async function* (): AsyncGenerator<ExpectedObject, undefined> {
    for (const object of expected) yield await Promise.resolve(object)
  })()
  return compareSinkObjects(stream, ask, { sink, table: objects, lane: 1, through: THROUGH, absent: new Set() })
}

test('an object with the place, the event and the values that it must have is equal', async () => {
  expect(await compare([wanted(A, 3n, 'Masks')], [held(A, 3n, 'Masks')])).toMatchObject({
    table: 'weaviate.Notice',
    status: 'equal',
    sourceRows: 1,
    targetRows: 1,
  })
})

test.each<[string, Partial<SinkedRow>, readonly string[]]>([
  [
    'an older state',
    { position: positionNumber(2n), eventId: 'event-2', values: { title: 'Gloves', labels: null } },
    ['position', 'event_id', 'title'],
  ],
  ['a changed value', { values: { title: 'Masks', labels: '{a}' } }, ['labels']],
  ['an object that is of nobody', { lane: 0 }, ['lane']],
  ['an object without its vector', { faults: ['vector'] }, ['vector']],
])('%s is different, in the columns that are named', async (_what, change, columns) => {
  const report = await compare([wanted(A, 3n, 'Masks')], [held(A, 3n, 'Masks', change)])
  expect(report).toMatchObject({ status: 'different', different: 1, examples: [{ kind: 'different', key: [A], columns }] })
})

test('where a sink has one form for NULL and an empty array, either is equal and nothing else', async () => {
  const found = held(A, 3n, 'Masks', { values: { title: 'Masks' } })
  for (const labels of [null, '{}'])
    expect(await compare([wanted(A, 3n, 'Masks', labels)], [found])).toMatchObject({ different: 0 })
  expect(await compare([wanted(A, 3n, 'Masks', '{a}')], [found])).toMatchObject({ different: 1 })
})

test('an object that was written after the point is compared with the event that it names', async () => {
  const later: Later = { position: 12, id: A, data: { op: 'u', after: { id: A, title: 'newer', labels: null } } }
  const expected = [wanted(A, 3n, 'Masks')]
  expect(await compare(expected, [held(A, 12n, 'newer')], [later])).toMatchObject({
    status: 'equal',
    sourceRows: 1,
    targetRows: 1,
  })
  expect(await compare(expected, [held(A, 12n, 'other')], [later])).toMatchObject({
    different: 1,
    examples: [{ columns: ['title'] }],
  })
  // A position that no event has is a way to hide nothing.
  expect(await compare(expected, [held(A, 13n, 'newer')], [later])).toMatchObject({
    different: 1,
    examples: [{ columns: ['position'] }],
  })
  expect(await compare([], [held(B, 13n, 'nobody')], [later])).toMatchObject({
    extra: 1,
    examples: [{ kind: 'extra', key: [B] }],
  })
  expect(await compare([], [held(A, 12n, 'newer')], [later])).toMatchObject({ status: 'equal', extra: 0 })
})

test('an object that is not there is missing, unless an event after the point removed it', async () => {
  const expected = [wanted(A, 3n, 'Masks'), wanted(B, 4n, 'Gloves')]
  expect(await compare(expected, [])).toMatchObject({ missing: 2, sourceRows: 2 })
  const removed: Later = { position: 11, id: A, data: { op: 'd', before: { id: A } } }
  expect(await compare(expected, [], [removed])).toMatchObject({ missing: 1, examples: [{ key: [B] }] })
  expect(await compare(expected, [], [{ position: 11, id: 'the table', data: { op: 't' } }])).toMatchObject({
    status: 'equal',
    missing: 0,
  })
})

test('an object that nothing says of is extra', async () => {
  expect(await compare([], [held(A, 3n, 'Masks')])).toMatchObject({ status: 'different', extra: 1, targetRows: 1 })
})

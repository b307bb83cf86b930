/** A system with one table, its events in ClickHouse and its rows in Weaviate; and changes of it, as the store and a sink get them. */
import { type EventData, type EventDraft, aggregateName, epochMicros, formatEventData, lsnOf, parseUuid } from '@sluice/core'
import { type SinkRow, sinkRowsOf } from '@sluice/sink'
import type { AppendPart } from '@sluice/store'
import {
  type ProjectedEvent,
  type SinkTable,
  type SystemDefinition,
  arrayOf,
  bigint,
  clickhouseEvents,
  defineSystem,
  integer,
  table,
  text,
  topic,
  weaviateObjects,
} from '@sluice/system'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('board.notices'),
  columns: {
    id: bigint(),
    title: text(),
    body: text().nullable(),
    labels: arrayOf(text()).nullable(),
    pages: integer().nullable(),
  },
})
export const noticeEvents = clickhouseEvents(notices, {
  into: 'notice_events',
  structure: new URL('./notice-events.sql', import.meta.url),
  columns: (c, e) => ({
    title: c.title,
    body: c.body,
    pages: c.pages,
    labels: c.labels,
    kind: e.eventType,
    correlation: e.correlationUuid,
  }),
})
export const noticeObjects = weaviateObjects(notices, {
  into: 'VerifiedNotice',
  structure: new URL('./notice-class.json', import.meta.url),
  columns: (c) => ({ title: c.title, body: c.body, labels: c.labels, pages: c.pages }),
  embedded: ['title', 'body'],
})

const none = new URL('file:///none/')
export const noticeBoard: SystemDefinition = defineSystem({
  name: 'board',
  avroSchemas: none,
  monolith: { tables: [notices] },
  services: {
    history: { migrations: none, projections: [], sinks: [noticeEvents] },
    search: { migrations: none, projections: [], sinks: [noticeObjects] },
  },
})

/** A change of the row with this id before the change. */
export interface Change {
  readonly id: number
  readonly data: EventData
}

const TABLE = aggregateName(['table', 'public.notices'])
const LANE = 1

function nameOf({ id, data }: Change): ReturnType<typeof aggregateName> {
  return data.op === 't' ? TABLE : aggregateName([String(id)])
}

export function noticeId(id: number): string {
  return aggregateName([String(id)]).id
}

function eventIdOf(position: number): string {
  return `00000000-0000-5000-8000-${String(position).padStart(12, '0')}`
}

/** The change at this position as a commit of the lane. */
export function commitOf(change: Change, position: number): AppendPart {
  const { id: aggregateId, key: aggregateKey } = nameOf(change)
  const draft: EventDraft = {
    eventId: parseUuid(eventIdOf(position)),
    eventType: 'NoticeChanged',
    aggregateType: 'Notice',
    aggregateId,
    aggregateKey,
    eventData: formatEventData(change.data),
    ordinal: 0,
    correlationId: `tx-${position}`,
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
  }
  const at = BigInt(position) * 1_000n
  const commit = { kind: 'commit', commitLsn: lsnOf(at), endLsn: lsnOf(at + 1n), committedAt: epochMicros(at) } as const
  return { commit, events: [draft], isLast: true }
}

/** The change at this position as a row of the sink's table. */
export function sinkRows(into: SinkTable, change: Change, position: number): readonly SinkRow[] {
  const { id: aggregateId, key: aggregateKey } = nameOf(change)
  const { data } = change
  const event: ProjectedEvent = {
    eventId: eventIdOf(position),
    eventType: 'NoticeChanged',
    aggregateType: 'Notice',
    aggregateId,
    aggregateKey,
    version: 1,
    lane: LANE,
    position: BigInt(position),
    commitLsn: '0/0',
    committedAtMicros: BigInt(position) * 1_000n,
    context: { correlationId: `tx-${position}` },
    migrationId: null,
    op: data.op,
    before: 'before' in data ? (data.before ?? null) : null,
    after: 'after' in data ? data.after : null,
    payload: null,
  }
  const mapped = sinkRowsOf(into, event)
  if ('refusal' in mapped) throw new Error(mapped.refusal.message)
  return mapped.rows
}

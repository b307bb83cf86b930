/**
 * One report of counts: what each captured table has in the monolith, the event store, its topic, the services, ClickHouse and Weaviate.
 * Numbers of rows are of the state now, numbers of events of all history: a place is held against what it must have, not against the others.
 */
import { sinkTableName } from '@sluice/sink'
import { type CapturedTable, type SystemDefinition, qualifiedName } from '@sluice/system'
import { tableName } from './expected-table.ts'
import type {
  CountReport,
  PatternCounts,
  PlaceCount,
  ServiceReport,
  TableCounts,
  TableReport,
  TopicReport,
} from './verify-report.ts'

/** What is not in the reports of services and topics. */
export interface MonolithCount {
  readonly rows: number | null
  readonly note: string | null
}

export interface CountedStores {
  readonly system: SystemDefinition
  /** Captured tables that were counted. */
  readonly tables: readonly CapturedTable[]
  /** By the qualified name of the table. */
  readonly monolith: ReadonlyMap<string, MonolithCount>
  readonly topics: readonly TopicReport[]
  readonly services: readonly ServiceReport[]
}

export function countReport({ system, tables, monolith, topics, services }: CountedStores): CountReport {
  const counted = tables.map((table): TableCounts => {
    const name = qualifiedName(table)
    const { rows = null, note = null } = monolith.get(name) ?? {}
    const topic = topics.find((t) => t.topic === table.topic.name)
    return {
      table: name,
      places: [
        { place: 'monolith', holds: 'rows', count: rows, expected: null, status: null, note },
        ...(topic ? placesOfTopic(topic) : []),
        ...services.flatMap((service) => placesOfService(system, table, service)),
      ],
    }
  })
  return { tables: counted, topics, patterns: patternsOf(topics) }
}

function placesOfTopic({ topic, events, messages, status, note }: TopicReport): readonly PlaceCount[] {
  return [
    { place: 'event store', holds: 'events', count: events, expected: null, status: null, note: null },
    { place: `topic ${topic}`, holds: 'events', count: messages, expected: events, status, note },
  ]
}

function placesOfService(
  system: SystemDefinition,
  table: CapturedTable,
  { service, tables }: ServiceReport,
): readonly PlaceCount[] {
  const { projections = [], sinks = [] } = system.services[service] ?? {}
  const reports = new Map(tables.map((report) => [report.table, report]))
  const mapped = projections.flatMap((projection): readonly PlaceCount[] => {
    if (projection.kind !== 'mapping' || projection.source !== table) return []
    const report = reports.get(tableName(projection.targetSchema, projection.target))
    const note = projection.filter === null ? null : 'a filter: only some of the rows'
    return report ? [placeOf(service, report, 'rows', note)] : []
  })
  const sunk = sinks.flatMap((sink): readonly PlaceCount[] => {
    const report = sink.source === table ? reports.get(sinkTableName(sink)) : undefined
    const note = sink.history === null ? null : `of loaded rows only those of the last ${sink.history.days} days`
    return report ? [placeOf(service, report, sink.kind === 'events' ? 'events' : 'rows', note)] : []
  })
  return [...mapped, ...sunk]
}

function placeOf(service: string, report: TableReport, holds: PlaceCount['holds'], note: string | null): PlaceCount {
  const place = `${service}.${report.table}`
  if (report.status === 'unverifiable') {
    return { place, holds, count: null, expected: null, status: report.status, note: report.reason }
  }
  return { place, holds, count: report.targetRows, expected: report.sourceRows, status: report.status, note }
}

function patternsOf(topics: readonly TopicReport[]): readonly PatternCounts[] {
  const grouped = Map.groupBy(topics, ({ topic }) => topic.replace(/[^.]*$/, '*'))
  return [...grouped].map(([pattern, members]) => ({
    pattern,
    topics: members.length,
    events: members.reduce((sum, { events }) => sum + events, 0),
    messages: members.reduce((sum, { messages }) => sum + messages, 0),
  }))
}

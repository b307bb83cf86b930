/** Checks the projections of a service: what they read exists, and every target has one writer. */
import { type CapturedTable, qualifiedName } from '../captured-table.ts'
import { outboxTable } from '../outbox-definition.ts'
import { isEventField } from '../event-field.ts'
import type { EventHandler, Expectation, Projection, TableMapping } from '../projection.ts'
import { columnsOf } from '../sql-expression.ts'
import type { ServiceDefinition, SystemDefinition } from '../system-definition.ts'
import { type Mistake, identifierMistakes, repeated } from './mistake.ts'
import { PROJECTOR_TABLES } from './projector-tables.ts'

interface Target {
  readonly place: string
  /** `public.facts` */
  readonly table: string
  readonly mapping: TableMapping | null
}

export function projectionMistakes(system: SystemDefinition, serviceName: string): readonly Mistake[] {
  const service = system.services[serviceName]
  if (!service) return []
  const place = `services.${serviceName}`
  const { projections } = service
  if (projections.length === 0 && !service.outbox && !service.sinks?.length) {
    return [{ place: `${place}.projections`, problem: 'the service has neither a projection, a sink nor an outbox' }]
  }
  const at = (index: number): string => `${place}.projections[${index}]`
  return [
    ...projections.flatMap((p, i) =>
      p.kind === 'mapping'
        ? [...mappingMistakes(system, p, at(i)), ...copyMistakes(system, serviceName, p, at(i))]
        : handlerMistakes(system, serviceName, p, at(i)),
    ),
    ...repeated(projections, (p) => p.name).map(({ item, index, first }) => ({
      place: at(index),
      problem: `"${item.name}" is the name of projections[${first}] already`,
    })),
    ...targetMistakes(
      service,
      projections.flatMap((p, i) => targetsOf(p, at(i))),
    ),
  ]
}

function mappingMistakes(system: SystemDefinition, mapping: TableMapping, place: string): readonly Mistake[] {
  const { source } = mapping
  return [
    ...capturedMistakes(system, source, `${place}.source`),
    ...identifierMistakes(`${place}.schema`, mapping.targetSchema),
    ...identifierMistakes(`${place}.into`, mapping.target),
    ...Object.entries(mapping.columns).flatMap(([name, from]) => [
      ...identifierMistakes(`${place}.columns.${name}`, name),
      ...unknownColumns(source, columnsOf(from), `${place}.columns.${name}`),
    ]),
    ...(mapping.filter ? unknownColumns(source, columnsOf(mapping.filter), `${place}.filter`) : []),
    ...trackingMistakes(mapping, place),
    ...keyMistakes(mapping, place),
  ]
}

/** A column that verify compares can not be one that only the target has, and nothing but the event is known there. */
function trackingMistakes({ columns, tracking }: TableMapping, place: string): readonly Mistake[] {
  return Object.entries(tracking).flatMap(([name, from]) => {
    const at = `${place}.tracking.${name}`
    return [
      ...identifierMistakes(at, name),
      ...(Object.hasOwn(columns, name) ? [{ place: at, problem: `"${name}" is one of columns already` }] : []),
      ...columnsOf(from)
        .filter((field) => !isEventField(field))
        .map((field) => ({ place: at, problem: `an event has no field "${field}"` })),
    ]
  })
}

/** A copy has an owner: another service that maps the same captured table for itself. */
function copyMistakes(
  system: SystemDefinition,
  service: string,
  { copyOf, source }: TableMapping,
  place: string,
): readonly Mistake[] {
  if (copyOf === null) return []
  const at = `${place}.copyOf`
  if (copyOf === service) return [{ place: at, problem: 'a service does not hold a copy of what it owns itself' }]
  const owner = system.services[copyOf]
  if (!owner) return [{ place: at, problem: `the system has no service "${copyOf}"` }]
  const isOwned = owner.projections.some((p) => p.kind === 'mapping' && p.source === source && p.copyOf === null)
  return isOwned ? [] : [{ place: at, problem: `service "${copyOf}" maps no ${qualifiedName(source)} of its own` }]
}

/** An event finds its row by the key, so every column of it must be in the target as it is. */
function keyMistakes(mapping: TableMapping, place: string): readonly Mistake[] {
  const plain = new Set(Object.values(mapping.columns).flatMap((from) => (from.kind === 'column' ? [from.name] : [])))
  return mapping.source.key
    .filter((column) => !plain.has(column))
    .map((column) => ({
      place: `${place}.columns`,
      problem: `key column "${column}" of ${qualifiedName(mapping.source)} is not held by a plain reference, such as ${column}: c.${column}`,
    }))
}

function handlerMistakes(system: SystemDefinition, service: string, handler: EventHandler, place: string): readonly Mistake[] {
  const tableEvents = new Map(
    system.monolith.tables.flatMap((t) => Object.values({ ...t.eventTypes }).map((e) => [e, t] as const)),
  )
  const hasOutbox = [system.monolith, ...Object.values(system.services)].some((d) => d.outbox !== undefined)
  return [
    ...(handler.name === '' ? [{ place: `${place}.name`, problem: 'a name is empty' }] : []),
    ...(handler.tables.length === 0 && handler.eventTypes.length === 0
      ? [{ place, problem: 'it reads nothing: name tables, or the eventTypes of an outbox' }]
      : []),
    ...(handler.eventTypes.length > 0 && !hasOutbox
      ? [{ place: `${place}.eventTypes`, problem: 'no database of the system has an outbox that could carry them' }]
      : []),
    ...eventsOnlyMistakes(system, service, handler, place),
    ...(handler.isOverKeys && system.services[service]?.independent === true
      ? [
          {
            place,
            problem: 'it makes rows of several keys, and an independent service has its events in order within a key only',
          },
        ]
      : []),
    ...handler.tables.flatMap((table, i) => capturedMistakes(system, table, `${place}.tables[${i}]`)),
    ...handler.eventTypes.flatMap((type, i) => {
      const table = tableEvents.get(type)
      if (!table) return []
      const problem = `"${type}" is an event of ${qualifiedName(table)}: name that table under tables`
      return [{ place: `${place}.eventTypes[${i}]`, problem }]
    }),
    ...handler.expectations.flatMap((e, i) => expectationMistakes(system, service, e, `${place}.expectations[${i}]`)),
  ]
}

function eventsOnlyMistakes(system: SystemDefinition, service: string, handler: EventHandler, place: string): readonly Mistake[] {
  if (!handler.isEventsOnly) return []
  const at = `${place}.isEventsOnly`
  return [
    ...(handler.expectations.length > 0 ? [{ place: at, problem: 'a handler with expectations writes tables' }] : []),
    ...(system.services[service]?.outbox ? [] : [{ place: at, problem: 'the service has no outbox to write events into' }]),
  ]
}

function expectationMistakes(
  system: SystemDefinition,
  service: string,
  expected: Expectation,
  place: string,
): readonly Mistake[] {
  const { source } = expected
  return [
    ...identifierMistakes(`${place}.targetSchema`, expected.targetSchema),
    ...identifierMistakes(`${place}.target`, expected.target),
    ...(expected.key.length === 0 ? [{ place: `${place}.key`, problem: 'the key has no column' }] : []),
    ...expected.key
      .filter((column) => !expected.columns.includes(column))
      .map((column) => ({ place: `${place}.columns`, problem: `key column "${column}" is not among them` })),
    ...repeated(expected.columns, (c) => c).map(({ item }) => ({
      place: `${place}.columns`,
      problem: `"${item}" is named twice`,
    })),
    ...(/^\s*(select|with)\s/i.test(expected.query) ? [] : [{ place: `${place}.query`, problem: 'it must be a SELECT' }]),
    ...(source === undefined ? [] : expectationSourceMistakes(system, service, source, `${place}.source`)),
  ]
}

function expectationSourceMistakes(system: SystemDefinition, service: string, source: string, place: string): readonly Mistake[] {
  const definition = system.services[source]
  if (!definition) return [{ place, problem: `the system has no service "${source}"; leave it out for the monolith` }]
  if (source === service) return [{ place, problem: 'a service can not be what its own tables are compared with' }]
  return definition.outbox ? [] : [{ place, problem: `service "${source}" has no outbox, so nothing of it reaches this service` }]
}

function capturedMistakes(system: SystemDefinition, table: CapturedTable, place: string): readonly Mistake[] {
  // By identity: a second definition of the same table could have other columns.
  if (system.monolith.tables.includes(table)) return []
  return [{ place, problem: `${qualifiedName(table)} is not one of monolith.tables` }]
}

function unknownColumns(source: CapturedTable, names: readonly string[], place: string): readonly Mistake[] {
  return names
    .filter((name) => !Object.hasOwn(source.columns, name))
    .map((name) => ({ place, problem: `${qualifiedName(source)} has no captured column "${name}"` }))
}

function targetsOf(projection: Projection, place: string): readonly Target[] {
  if (projection.kind === 'mapping') {
    return [{ place: `${place}.into`, table: `${projection.targetSchema}.${projection.target}`, mapping: projection }]
  }
  return projection.expectations.map((e, i) => ({
    place: `${place}.expectations[${i}].target`,
    table: `${e.targetSchema}.${e.target}`,
    mapping: null,
  }))
}

function targetMistakes(service: ServiceDefinition, targets: readonly Target[]): readonly Mistake[] {
  const outbox = service.outbox ? qualifiedName(outboxTable(service.outbox)) : null
  const isSluices = (table: string): boolean =>
    table === outbox || (table.startsWith('public.') && PROJECTOR_TABLES.has(table.slice('public.'.length)))
  return [
    ...repeated(targets, (t) => t.table).flatMap(({ item, first }) => sharingMistakes(item, targets[first])),
    ...targets
      .filter(({ table }) => isSluices(table))
      .map(({ place, table }) => ({ place, problem: `table ${table} belongs to Sluice` })),
  ]
}

/**
 * Two writers of a table undo each other's deletes. Only mappings of one captured table can share a target, each with the
 * rows of its own filter: a row is in the target while any of them lets it in.
 */
function sharingMistakes(later: Target, first: Target | undefined): readonly Mistake[] {
  if (!first) return []
  const mistake = (problem: string): readonly Mistake[] => [{ place: later.place, problem }]
  const shared = `table ${later.table} is written by ${first.place} already`
  if (!later.mapping || later.mapping.source !== first.mapping?.source) {
    return mistake(`${shared}, from another source: merge the two in a handler`)
  }
  if (!later.mapping.filter || !first.mapping.filter) {
    return mistake(`${shared}: give each a filter, so that no row of the source is in both`)
  }
  if (filledColumns(later.mapping) !== filledColumns(first.mapping)) {
    return mistake(`${shared}, in other columns: fill the same ones in the same order`)
  }
  return []
}

function filledColumns({ columns, tracking }: TableMapping): string {
  return [...Object.keys(columns), ...Object.keys(tracking)].join()
}

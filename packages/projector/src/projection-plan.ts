/** Which projections an event goes to, and the statements of each mapping; made once a start from definition and catalog. */
import { SluiceError } from '@sluice/core'
import type { GrantedColumns } from '@sluice/privacy'
import {
  type CapturedTable,
  type EventHandler,
  type ProjectedEvent,
  type ServiceDefinition,
  type SinkTable,
  type SystemDefinition,
  type TableMapping,
  columnsOf,
  grantedMapping,
  lanesOf,
} from '@sluice/system'
import {
  type MappingStatement,
  type PartialUpdate,
  type TargetColumns,
  columnsRead,
  deleteStatement,
  keyChange,
  keysStatement,
  leaveStatement,
  partialUpdate,
  truncateStatement,
  upsertStatement,
} from './mapping-statements.ts'
import { type TargetCatalog, targetName } from './target-catalog.ts'
import { reachesOverKeys } from './unique-indexes.ts'

export interface MappingPlan {
  readonly mapping: TableMapping
  readonly columnsRead: readonly string[]
  readonly upsert: MappingStatement
  /** Statements for rows with unavailable columns, by what is available; made when first met. */
  partial(available: ReadonlySet<string>): PartialUpdate
  keyChange(available: ReadonlySet<string>): MappingStatement
}

/** Mappings of one captured table into one target. */
export interface TargetPlan {
  /** `schema.table` */
  readonly name: string
  readonly mappings: readonly MappingPlan[]
  readonly delete: MappingStatement
  readonly leave: MappingStatement | null
  /** Every row: all that a target holds came from its one captured table. */
  readonly truncate: string
  /** The keys of every row, as `key`: the texts that they have in events. Null where they may be printed otherwise. */
  readonly keys: string | null
}

/** Where the events of one captured table go. */
export interface TableRoute {
  readonly source: CapturedTable
  /**
   * True if its events are in order within a key only: other members work on its other partitions. Then a change of key can not be
   * applied, and a truncate ends the keys of one partition at a time.
   */
  readonly isOrderedByKeyOnly: boolean
  readonly targets: readonly TargetPlan[]
  /** Columns of the source whose values a unique index of a target keeps apart between keys. */
  readonly uniqueColumns: readonly string[]
  readonly handlers: readonly EventHandler[]
  /** Table of the service's sink that takes the events, too. */
  readonly sink?: SinkTable
}

export interface ProjectionPlan {
  readonly service: string
  /** True if members may share the work. */
  readonly isIndependent: boolean
  readonly catalog: TargetCatalog
  /** Opens the encrypted columns that the service is granted; null without a grant. */
  readonly granted: GrantedColumns | null
  readonly tables: readonly TableRoute[]
  /** Null for an event that no projection of the service uses. */
  routeOf(event: ProjectedEvent): EventRoute | null
}

export type EventRoute =
  { readonly kind: 'table'; readonly table: TableRoute } | { readonly kind: 'own'; readonly handlers: readonly EventHandler[] }

/** Mappings of a service, by which its catalog is read. */
export function mappingsOf(system: SystemDefinition, service: string): readonly TableMapping[] {
  return projectionsOf(system, service).flatMap((p) => (p.kind === 'mapping' ? [p] : []))
}

/** @throws SluiceError SLU-5002 */
export function planProjections(
  system: SystemDefinition,
  service: string,
  catalog: TargetCatalog,
  granted: GrantedColumns | null,
): ProjectionPlan {
  const handlers = projectionsOf(system, service).flatMap((p) => (p.kind === 'handler' ? [p] : []))
  const mappings = mappingsOf(system, service)
  const isIndependent = system.services[service]?.independent ?? false
  const sources = new Set(lanesOf(system).flatMap((lane) => lane.tables))
  const tables = [...sources].flatMap((source): TableRoute[] => {
    const targets = targetsOf(system.services[service]!, source, mappings, catalog)
    const called = handlers.filter((h) => h.tables.includes(source))
    const isOrderedByKeyOnly = isIndependent && source.topic.partitions > 1
    const sink = system.services[service]?.sinks?.find((table) => table.source === source)
    if (targets.length + called.length === 0 && sink === undefined) return []
    const route = { source, isOrderedByKeyOnly, targets, uniqueColumns: uniqueColumns(targets, catalog), handlers: called }
    return [sink === undefined ? route : { ...route, sink }]
  })
  const byAggregate = new Map(tables.map((table) => [table.source.aggregateType, { kind: 'table', table } as const]))
  const ownTypes = new Set(handlers.flatMap((h) => h.eventTypes))
  const byOwnType = new Map(
    [...ownTypes].map((type) => [type, { kind: 'own', handlers: handlers.filter((h) => h.eventTypes.includes(type)) } as const]),
  )
  return {
    service,
    isIndependent,
    catalog,
    granted,
    tables,
    routeOf: (event) => (event.op === 'e' ? byOwnType.get(event.eventType) : byAggregate.get(event.aggregateType)) ?? null,
  }
}

function projectionsOf(system: SystemDefinition, service: string): SystemDefinition['services'][string]['projections'] {
  const definition = system.services[service]
  if (definition) return definition.projections
  const names = Object.keys(system.services)
  throw new SluiceError('SERVICE_UNKNOWN', {
    what: `the system "${system.name}" has no service "${service}"`,
    why: `it has ${names.join(', ')}`,
    ways: names.slice(0, 2).map((name) => `sluice run projector ${name}`),
  })
}

function targetsOf(
  service: ServiceDefinition,
  source: CapturedTable,
  mappings: readonly TableMapping[],
  catalog: TargetCatalog,
): readonly TargetPlan[] {
  const own = mappings.filter((m) => m.source === source).map((m) => grantedMapping(service, m))
  const byTarget = Map.groupBy(own, targetName)
  return [...byTarget].map(([name, group]) => {
    const columns = catalog.columns.get(name)
    const [first] = group
    if (!columns || !first) throw new RangeError(`the catalog has no table ${name}`)
    return {
      name,
      mappings: group.map((mapping) => planMapping(mapping, columns)),
      delete: deleteStatement(first, columns),
      leave: leaveStatement(group, columns),
      truncate: truncateStatement(first),
      keys: keysStatement(first, columns),
    }
  })
}

function uniqueColumns(targets: readonly TargetPlan[], catalog: TargetCatalog): readonly string[] {
  const read = targets.flatMap(({ name, mappings }) => {
    const indexes = catalog.uniqueIndexes.filter(({ table }) => table === name)
    return mappings.flatMap(({ mapping }) =>
      indexes
        .filter((index) => reachesOverKeys(index, mapping.targetKey))
        .flatMap(({ columns }) => columns.flatMap((column) => columnsOfTarget(mapping, column))),
    )
  })
  return [...new Set(read)]
}

function columnsOfTarget(mapping: TableMapping, column: string): readonly string[] {
  const source = mapping.columns[column]
  return source === undefined ? [] : columnsOf(source)
}

function planMapping(mapping: TableMapping, columns: TargetColumns): MappingPlan {
  return {
    mapping,
    columnsRead: columnsRead(mapping),
    upsert: upsertStatement(mapping, columns),
    partial: remember((available) => partialUpdate(mapping, columns, available)),
    keyChange: remember((available) => keyChange(mapping, columns, available)),
  }
}

/** Keeps the results by the set of available columns; there are few such sets in a table's life. */
function remember<Result>(make: (available: ReadonlySet<string>) => Result): (available: ReadonlySet<string>) => Result {
  const made = new Map<string, Result>()
  return (available) => {
    const signature = [...available].sort().join('\u0000')
    let result = made.get(signature)
    if (result === undefined) {
      result = make(available)
      made.set(signature, result)
    }
    return result
  }
}

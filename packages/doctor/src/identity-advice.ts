/**
 * Which replica identity a captured table should have. An update leaves out large values that did not change; they come from the row's
 * last image in the event store. Where none has it, or none may be used, the value is unavailable, and only FULL brings it.
 * https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY
 */
import { type CapturedTable, type Projection, type SystemDefinition, columnsOf } from '@sluice/system'

export interface LargeColumns {
  /** Columns whose values may be stored out of line. */
  readonly toastable: ReadonlySet<string>
  /** Whether any value of the table is, now. */
  readonly hasLargeValues: boolean
}

export interface IdentityReason {
  readonly summary: string
  readonly cause: string
}

/** What speaks for REPLICA IDENTITY FULL; null where nothing does. */
export function identityReason(system: SystemDefinition, table: CapturedTable, large: LargeColumns): IdentityReason | null {
  const mixed = consumersOf(system, (projection) => mixesLargeValues(projection, table, large.toastable))
  if (mixed.length > 0) {
    return {
      summary: `${mixed.join(', ')} computes a column from a large value and another one`,
      cause:
        'an update that leaves the large value untouched does not carry it; where retention removed the row’s last image the event is parked',
    }
  }
  if (!large.hasLargeValues) return null
  const hidden = Object.keys(table.privacy).filter((name) => large.toastable.has(name) && table.columnNames.includes(name))
  if (hidden.length > 0) {
    return {
      summary: `private columns may hold large values: ${hidden.join(', ')}`,
      cause:
        'an update that leaves such a value untouched does not carry it, and no image fills in a private column: services keep what they have',
    }
  }
  const handlers = consumersOf(system, (projection) => projection.kind === 'handler' && projection.tables.includes(table))
  const sinks = Object.entries(system.services).flatMap(([service, { sinks: sinkTables = [] }]) =>
    sinkTables.filter(({ source }) => source === table).map(({ name }) => `${service}: ${name}`),
  )
  const readers = [...handlers, ...sinks]
  if (readers.length === 0) return null
  return {
    summary: `${readers.join(', ')} may meet large values as unavailable`,
    cause:
      'an update that leaves a large value untouched does not carry it; where retention removed the row’s last image nothing fills it in',
  }
}

function consumersOf(system: SystemDefinition, isOne: (projection: Projection) => boolean): readonly string[] {
  return Object.entries(system.services).flatMap(([service, { projections }]) =>
    projections.filter(isOne).map(({ name }) => `${service}: ${name}`),
  )
}

function mixesLargeValues(projection: Projection, table: CapturedTable, toastable: ReadonlySet<string>): boolean {
  if (projection.kind !== 'mapping' || projection.source !== table) return false
  const sources = [...Object.values(projection.columns), ...(projection.filter ? [projection.filter] : [])]
  return sources.some((source) => {
    const names = columnsOf(source)
    return names.length > 1 && names.some((name) => toastable.has(name))
  })
}

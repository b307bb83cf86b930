/**
 * Events of a table that was changed in its source: they are stored as they came, and published once the definition fits them.
 */
import { type SentColumns, SluiceError, type StoredEvent } from '@sluice/core'
import { type CapturedTable, type LaneDefinition, qualifiedName, sentDifferences, unknownColumns } from '@sluice/system'

/** @throws SluiceError SLU-4205 with the difference, which parks the event */
export function assertFits(
  lane: LaneDefinition,
  table: CapturedTable | undefined,
  sentColumns: SentColumns,
  event: StoredEvent,
): void {
  if (table === undefined) return
  const differences = sentDifferences(table, sentColumns)
  if (differences.length === 0) return
  const unknown = unknownColumns(table, sentColumns).map((name) => `${name} ${sentColumns[name] ?? ''}`)
  const more = unknown.length === 0 ? '' : `; columns that the definition does not have: ${unknown.join(', ')}`
  throw new SluiceError('TABLE_CHANGED', {
    what: `table ${qualifiedName(table)} was changed in its source, and event ${event.eventId} (position ${event.lane}:${event.position}) no longer fits the definition`,
    why: `${differences.join('; ')}${more}`,
    ways: changedTableWays(lane.name),
  })
}

/** How people go on where a table was changed; until they do, its events wait. */
export function changedTableWays(laneName: string): readonly string[] {
  return [
    'correct the columns in the system definition, then: sluice schemas generate',
    `start reader, relay and projectors with it, then: sluice parked retry ${laneName} --relay --error SLU-4205`,
  ]
}

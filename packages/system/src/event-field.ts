/**
 * What of an event itself a mapping may write into its target, beside the columns of the row: for columns in which a service notes
 * where a row came from. They follow from the event alone, so that a replay gives the same.
 */
import type { ColumnRef } from './sql-expression.ts'

/** Fields by name, with the type that each has in SQL. */
export const EVENT_FIELDS = {
  eventId: 'uuid',
  eventType: 'text',
  /** Version of the row's aggregate. */
  version: 'integer',
  lane: 'smallint',
  position: 'bigint',
  /** Time of the source's commit. */
  committedAt: 'timestamptz',
  correlationId: 'text',
  /** The correlation id where a column is uuid: itself if it is one, else its UUIDv5. */
  correlationUuid: 'uuid',
  causationId: 'text',
  userId: 'text',
  /** Run of the initial load or backfill that made the event, else null. */
  migrationId: 'text',
} as const

export type EventField = keyof typeof EVENT_FIELDS

export type EventRefs = { readonly [F in EventField]: ColumnRef<F> }

/** A reference for every field, for `sql` and `tracking`. */
export const EVENT_REFS: EventRefs = {
  eventId: { kind: 'column', name: 'eventId' },
  eventType: { kind: 'column', name: 'eventType' },
  version: { kind: 'column', name: 'version' },
  lane: { kind: 'column', name: 'lane' },
  position: { kind: 'column', name: 'position' },
  committedAt: { kind: 'column', name: 'committedAt' },
  correlationId: { kind: 'column', name: 'correlationId' },
  correlationUuid: { kind: 'column', name: 'correlationUuid' },
  causationId: { kind: 'column', name: 'causationId' },
  userId: { kind: 'column', name: 'userId' },
  migrationId: { kind: 'column', name: 'migrationId' },
}

export function isEventField(name: string): name is EventField {
  return Object.hasOwn(EVENT_FIELDS, name)
}

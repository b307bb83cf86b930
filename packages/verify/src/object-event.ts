/** An event of the store, as far as it says what an object of a sink is. Apart from the code that fills the sink. */
import { type EventData, type RowText, aggregateName, correlationUuid, parseEventData } from '@sluice/core'
import type { CapturedTable, SinkField, SinkTable } from '@sluice/system'

export interface ObjectEvent {
  readonly eventId: string
  readonly position: bigint
  /** The aggregate that it belongs to: of a change of key the one before. */
  readonly aggregateId: string
  readonly data: EventData
  readonly eventType: string
  readonly userId: string | null
  readonly correlationId: string
  readonly causationId: string | null
}

type StoredText = Omit<ObjectEvent, 'position' | 'data'> & { readonly position: string; readonly data: string }

/** Runs a query over the event store. */
export type AskStore = <Row extends object>(text: string, values: readonly unknown[]) => Promise<readonly Row[]>

/** The events at these positions, as far as they are stored. @throws SluiceError SLU-3101 if one has no known form */
export async function eventsAt(
  ask: AskStore,
  lane: number,
  positions: readonly bigint[],
): Promise<ReadonlyMap<bigint, ObjectEvent>> {
  if (positions.length === 0) return new Map()
  const rows = await ask<StoredText>(
    `SELECT position::text AS position, event_id::text AS "eventId", aggregate_id::text AS "aggregateId", event_data::text AS data,
       event_type AS "eventType", user_id AS "userId", correlation_id AS "correlationId", causation_id AS "causationId"
     FROM public.event_store WHERE lane = $1 AND position = ANY ($2::bigint[])`,
    [lane, positions.map(String)],
  )
  return new Map(
    rows.map((row) => [BigInt(row.position), { ...row, position: BigInt(row.position), data: parseEventData(row.data) }]),
  )
}

/** SQL: an update that changed the row's key. The columns of the key are a text array. */
export function isKeyChange(keyColumns: string): string {
  return `(event_data->>'op' = 'u' AND event_data->'before' IS NOT NULL AND EXISTS (
    SELECT FROM unnest(${keyColumns}) AS k (name) WHERE event_data->'before'->>k.name <> event_data->'after'->>k.name))`
}

/** The aggregate of a row, by its key. */
export function aggregateOf({ key }: CapturedTable, row: RowText): string {
  return aggregateName(key.map((column) => row[column] ?? '')).id
}

/** The row that an event leaves under an aggregate's key; null if it leaves none. Columns that were not sent are absent. */
export function rowLeftBy({ aggregateId, data }: ObjectEvent, table: CapturedTable, wanted: string): RowText | null {
  switch (data.op) {
    case 'c':
    case 'r':
      return data.after
    case 'u': {
      const { before = {} } = data
      const row = { ...before, ...data.after }
      const isMoved = table.key.some((column) => before[column] !== undefined && before[column] !== row[column])
      return (isMoved ? aggregateOf(table, row) : aggregateId) === wanted ? row : null
    }
    default:
      return null
  }
}

/** What an event says of itself. */
export type EventFields = Pick<ObjectEvent, 'eventType' | 'userId' | 'correlationId' | 'causationId'>

/** What the columns of a sink's table hold of a row, and of the event that left it. */
export function sinkValues({ columns }: SinkTable, row: RowText, event: EventFields): RowText {
  const values: Record<string, string | null> = {}
  for (const [column, from] of Object.entries(columns)) {
    const value = from.kind === 'column' ? row[from.name] : fieldOf(event, from.field)
    if (value !== undefined) values[column] = value
  }
  return values
}

function fieldOf({ eventType, userId, correlationId, causationId }: EventFields, field: SinkField): string | null {
  switch (field) {
    case 'eventType':
      return eventType
    case 'userId':
      return userId
    case 'userUuid':
      return userId === null ? null : correlationUuid(userId)
    case 'correlationId':
      return correlationId
    case 'correlationUuid':
      return correlationUuid(correlationId)
    case 'causationId':
      return causationId
  }
}

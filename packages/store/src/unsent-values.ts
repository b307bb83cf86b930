/**
 * Values that updates came without, since PostgreSQL does not send a large value that did not change: taken from the row's last
 * image, which is an event of the same batch or one in the store.
 *
 * U1  A value is taken from an image of the same row in the same life only: a delete, a truncate and a change of the key end it,
 *     and a key that a row moved to has that row's image.
 * U2  What no image has (retention removed it, the row never came) stays absent: unavailable, never NULL.
 * U3  Memory: a piece of the batch is read and written at a time, with UNSENT_VALUES_MAX values and UNSENT_BYTES_MAX bytes from the
 *     store, or with those of one event.
 *
 * Decision 0015 says why this is done before the event is stored.
 */
import { type EventDraft, type LaneId, type Uuid, parseEventData } from '@sluice/core'
import type { ClientBase } from 'pg'
import { arrayOf } from './aggregate-versions.ts'
import type { AppendPart } from './event-appender.ts'
import { laneTable } from './partitions.ts'
import { imageEffect } from './row-image.ts'

const UNSENT_VALUES_MAX = 2_000
const UNSENT_BYTES_MAX = 8 * 1024 * 1024

/** A batch, or the part of it that is written at a time. */
export interface FilledPiece {
  readonly parts: readonly AppendPart[]
  readonly values: UnsentValues
}

/** A column's value as JSON text; null if no image has it. */
interface ImageValue {
  json(): string | null
}

type ColumnValues = readonly (readonly [column: string, value: ImageValue])[]

/** Known values by the update that lacks them. */
export type UnsentValues = ReadonlyMap<EventDraft, ColumnValues>

const NOTHING: UnsentValues = new Map()

/** The pieces of a batch in order; each is to be written before the next is asked for, in the client's transaction. */
export async function* filledPieces(
  client: ClientBase,
  lane: LaneId,
  parts: readonly AppendPart[],
): AsyncGenerator<FilledPiece, void> {
  const events = parts.flatMap((part) => part.events)
  if (!events.some(lacksValues)) {
    yield { parts, values: NOTHING }
    return
  }
  for (let from = 0; from < events.length;) {
    const trace = new ImageTrace()
    let end = from
    while (end < events.length && trace.asked.length < UNSENT_VALUES_MAX) trace.add(events[end++]!)
    await readValues(client, lane, trace.asked)
    end = trace.firstUnread(events, from, end)
    yield { parts: partsBetween(parts, from, end, events.length), values: trace.values }
    from = end
  }
}

/** The data of an event with what is known of its unsent values, byte for byte as they were captured. */
export function filledEventData(event: EventDraft, values: UnsentValues): string {
  let added = ''
  for (const [column, value] of values.get(event) ?? []) {
    const json = value.json()
    if (json !== null) added += `,${JSON.stringify(column)}:${json}`
  }
  // The new row ends the text, and has its key at least.
  return added === '' ? event.eventData : `${event.eventData.slice(0, -2)}${added}}}`
}

function lacksValues(event: EventDraft): boolean {
  return event.update !== undefined && event.update.unsent.length > 0
}

/** The value that an event of the batch has. */
class BatchValue implements ImageValue {
  readonly #event: EventDraft
  readonly #column: string

  constructor(event: EventDraft, column: string) {
    this.#event = event
    this.#column = column
  }

  json(): string | null {
    const data = parseEventData(this.#event.eventData)
    const value = 'after' in data ? data.after[this.#column] : undefined
    return typeof value === 'string' ? JSON.stringify(value) : null
  }
}

/** The value that the store has. */
class StoredValue implements ImageValue {
  readonly type: string
  readonly aggregateId: Uuid
  readonly tableAggregateId: Uuid
  readonly column: string
  /** Number of the event that needs it, from 1 on. */
  readonly event: number
  isRead = false
  #json: string | null = null

  constructor({ aggregateType, aggregateId }: EventDraft, tableAggregateId: Uuid, column: string, event: number) {
    this.type = aggregateType
    this.aggregateId = aggregateId
    this.tableAggregateId = tableAggregateId
    this.column = column
    this.event = event
  }

  /** A value that is out of line is not NULL: an image that says so is not of this row. */
  read(json: string | null): void {
    this.isRead = true
    this.#json = json === 'null' ? null : json
  }

  json(): string | null {
    return this.#json
  }
}

const NOBODY_HAS_IT: ImageValue = { json: () => null }

/** Follows the last image of each row through a batch. */
class ImageTrace {
  readonly values = new Map<EventDraft, ColumnValues>()
  /** What only the store can have, in order. */
  readonly asked: StoredValue[] = []
  /** By type and aggregate: the event that is the image; null where the row is gone. */
  readonly #images = new Map<string, Map<Uuid, EventDraft | null>>()
  readonly #truncated = new Set<string>()
  #asking = 0

  add(event: EventDraft): void {
    const { aggregateType, aggregateId, update } = event
    if (update && update.unsent.length > 0) {
      const before = this.asked.length
      const known = update.unsent.map((column) => [column, this.#valueOf(event, update.tableAggregateId, column)] as const)
      this.values.set(event, known)
      if (this.asked.length > before) this.#asking += 1
    }
    const effect = imageEffect(event)
    if (effect === 'none') return
    const images = this.#imagesOf(aggregateType)
    if (event.eventData.startsWith('{"op":"t"')) {
      images.clear()
      this.#truncated.add(aggregateType)
      return
    }
    images.set(aggregateId, effect === 'kept' ? event : null)
    if (update && update.movedTo !== null) images.set(update.movedTo, event)
  }

  /** Where the piece must end: before the first event that needs what was not read. */
  firstUnread(events: readonly EventDraft[], from: number, end: number): number {
    if (this.asked.every((value) => value.isRead)) return end
    const isWhole = ([, value]: ColumnValues[number]): boolean => !(value instanceof StoredValue) || value.isRead
    for (let at = from; at < end; at++) if (this.values.get(events[at]!)?.every(isWhole) === false) return at
    return end
  }

  #valueOf(event: EventDraft, tableAggregateId: Uuid, column: string): ImageValue {
    const { aggregateType, aggregateId } = event
    const image = this.#images.get(aggregateType)?.get(aggregateId)
    if (image === null || (image === undefined && this.#truncated.has(aggregateType))) return NOBODY_HAS_IT
    if (image !== undefined) {
      return this.values.get(image)?.find(([name]) => name === column)?.[1] ?? new BatchValue(image, column)
    }
    const stored = new StoredValue(event, tableAggregateId, column, this.#asking + 1)
    this.asked.push(stored)
    return stored
  }

  #imagesOf(type: string): Map<Uuid, EventDraft | null> {
    const found = this.#images.get(type)
    if (found) return found
    const images = new Map<Uuid, EventDraft | null>()
    this.#images.set(type, images)
    return images
  }
}

/**
 * Each asks for its row's place, then for one value there, all by their keys; scalar subqueries, since the writer's session has no
 * nested loops. Gives a beginning of what was asked, up to the bound.
 */
const valuesSql = (lane: LaneId): string => `
  SELECT v.value FROM (
    SELECT p.place, p.event, p.value, coalesce(sum(octet_length(p.value)) OVER (ORDER BY p.place), 0) AS bytes
    FROM (
      SELECT i.place, i.event,
        (SELECT (e.event_data #> ARRAY['after', ($7::text[])[i.column_number]])::text FROM ${laneTable('event_store', lane)} e
         WHERE e.lane = ${lane} AND e.position = i.image AND e.aggregate_type = i.type
           AND (e.aggregate_id = i.id OR e.event_data -> 'before' IS NOT NULL)) AS value
      FROM (
        SELECT w.place, w.event, w.id, w.column_number, ($5::text[])[w.type_number] AS type,
          (SELECT h.image_position FROM aggregate_heads h
           WHERE h.aggregate_id = w.id AND h.aggregate_type = ($5::text[])[w.type_number] AND h.image_lane = ${lane}
             AND h.image_position > coalesce((SELECT t.image_position FROM aggregate_heads t
               WHERE t.aggregate_id = ($6::uuid[])[w.type_number] AND t.aggregate_type = ($5::text[])[w.type_number]
                 AND t.image_lane = ${lane}), 0)) AS image
        FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::integer[])
          WITH ORDINALITY AS w (id, type_number, column_number, event, place)
      ) i
    ) p
  ) v
  WHERE v.event = 1 OR v.bytes <= $8 ORDER BY v.place`

async function readValues(client: ClientBase, lane: LaneId, asked: readonly StoredValue[]): Promise<void> {
  if (asked.length === 0) return
  const tables = new Map(asked.map((value) => [value.type, value.tableAggregateId]))
  const types = [...tables.keys()]
  const columns = [...new Set(asked.map((value) => value.column))]
  const { rows } = await client.query<{ value: string | null }>({
    name: 'sluice_unsent',
    text: valuesSql(lane),
    values: [
      arrayOf(asked.map((value) => value.aggregateId)),
      arrayOf(asked.map((value) => types.indexOf(value.type) + 1)),
      arrayOf(asked.map((value) => columns.indexOf(value.column) + 1)),
      arrayOf(asked.map((value) => value.event)),
      types,
      [...tables.values()],
      columns,
      UNSENT_BYTES_MAX,
    ],
  })
  rows.forEach(({ value }, i) => {
    asked[i]!.read(value)
  })
}

/** The parts' events from one place to another; a part that is cut goes on in the next piece. */
function partsBetween(parts: readonly AppendPart[], from: number, to: number, total: number): readonly AppendPart[] {
  const found: AppendPart[] = []
  let begin = 0
  for (const part of parts) {
    const end = begin + part.events.length
    const [first, last] = [Math.max(begin, from), Math.min(end, to)]
    if (first < last) {
      const events = part.events.slice(first - begin, last - begin)
      found.push({ commit: part.commit, events, isLast: part.isLast && last === end })
    } else if (begin === end && begin >= from && (begin < to || to === total)) {
      found.push(part)
    }
    begin = end
  }
  return found
}

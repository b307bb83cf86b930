/**
 * The canonical form of a stored event: the binary COPY tuple of the whole row, its columns in table order. The bytes that
 * are sent are the bytes that the chain hashes, and `COPY (SELECT …) TO STDOUT (FORMAT binary)` gives the same bytes back,
 * since every column's binary form is exact (json keeps its text).
 *
 *   int16 column count, then per column: int32 length (-1 NULL) and the value
 *
 * https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
 */
import {
  type CommitInfo,
  type EpochMicros,
  type EventDraft,
  type LaneId,
  type Lsn,
  type PositionNumber,
  type SentColumns,
  type StoredEvent,
  type Uuid,
  SluiceError,
} from '@sluice/core'
import type { BinaryCopyEncoder } from '@sluice/postgres'

export const EVENT_COLUMNS = [
  'lane',
  'position',
  'event_id',
  'aggregate_type',
  'aggregate_id',
  'aggregate_key',
  'event_type',
  'event_version',
  'event_data',
  'metadata',
  'correlation_id',
  'causation_id',
  'user_id',
  'commit_lsn',
  'ordinal',
  'created_at',
] as const

/** `lane, position, …`: for COPY and SELECT. */
export const EVENT_COLUMN_LIST = EVENT_COLUMNS.join(', ')

/** Where the position's value begins in a tuple: after the count, the lane, and its own length. */
const POSITION_AT = 2 + 6 + 4
/** PostgreSQL counts timestamps from 2000-01-01 00:00 UTC. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n

export interface EventPlace {
  readonly lane: LaneId
  readonly position: PositionNumber
  readonly eventVersion: number
}

export function encodeEventTuple(encoder: BinaryCopyEncoder, place: EventPlace, commit: CommitInfo, event: EventDraft): void {
  encoder.startTuple(EVENT_COLUMNS.length)
  encoder.writeInt2(place.lane)
  encoder.writeInt8(place.position)
  encoder.writeUuid(event.eventId)
  encoder.writeText(event.aggregateType)
  encoder.writeUuid(event.aggregateId)
  writeNullable(encoder, event.aggregateKey)
  encoder.writeText(event.eventType)
  encoder.writeInt4(place.eventVersion)
  encoder.writeText(event.eventData)
  encoder.writeText(formatMetadata(event))
  encoder.writeText(event.correlationId)
  writeNullable(encoder, event.causationId)
  writeNullable(encoder, event.userId)
  encoder.writeLsn(commit.commitLsn)
  encoder.writeInt4(event.ordinal)
  encoder.writeTimestamptz(commit.committedAt)
}

function writeNullable(encoder: BinaryCopyEncoder, text: string | null): void {
  if (text === null) encoder.writeNull()
  else encoder.writeText(text)
}

/** Position of the tuple that begins at `at`. */
export function tuplePosition(buffer: Buffer, at: number): bigint {
  return buffer.readBigInt64BE(at + POSITION_AT)
}

/** The event of the tuple that begins at `at`. */
export function decodeEventTuple(buffer: Buffer, at: number): StoredEvent {
  const fields = new TupleFields(buffer, at + 2)
  const lane = fields.int2() as LaneId
  const position = fields.int8() as PositionNumber
  const eventId = fields.uuid()
  const aggregateType = fields.text()
  const aggregateId = fields.uuid()
  const aggregateKey = fields.textOrNull()
  const eventType = fields.text()
  const eventVersion = fields.int4()
  const eventData = fields.text()
  const metadata = parseMetadata(fields.text())
  return {
    lane,
    position,
    eventId,
    aggregateType,
    aggregateId,
    aggregateKey,
    eventType,
    eventVersion,
    eventData,
    correlationId: fields.text(),
    causationId: fields.textOrNull(),
    userId: fields.textOrNull(),
    commitLsn: fields.uint8() as Lsn,
    ordinal: fields.int4(),
    committedAt: (fields.int8() + POSTGRES_EPOCH_MICROS) as EpochMicros,
    migrationId: metadata.migrationId ?? null,
    traceparent: metadata.traceparent ?? null,
    ...(metadata.sentColumns === undefined ? {} : { sentColumns: metadata.sentColumns }),
  }
}

/** Reads a tuple's fields one after the other; PostgreSQL checked their types when it stored them. */
class TupleFields {
  readonly #buffer: Buffer
  #at: number

  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer
    this.#at = at
  }

  int2(): number {
    const value = this.#buffer.readInt16BE(this.#at + 4)
    this.#at += 6
    return value
  }

  int4(): number {
    const value = this.#buffer.readInt32BE(this.#at + 4)
    this.#at += 8
    return value
  }

  int8(): bigint {
    const value = this.#buffer.readBigInt64BE(this.#at + 4)
    this.#at += 12
    return value
  }

  uint8(): bigint {
    const value = this.#buffer.readBigUInt64BE(this.#at + 4)
    this.#at += 12
    return value
  }

  uuid(): Uuid {
    const hex = this.#buffer.toString('hex', this.#at + 4, this.#at + 20)
    this.#at += 20
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Uuid
  }

  text(): string {
    const length = this.#buffer.readInt32BE(this.#at)
    const start = this.#at + 4
    this.#at = start + length
    return this.#buffer.toString('utf8', start, this.#at)
  }

  textOrNull(): string | null {
    if (this.#buffer.readInt32BE(this.#at) >= 0) return this.text()
    this.#at += 4
    return null
  }
}

interface EventMetadata {
  readonly migrationId?: string
  readonly traceparent?: string
  readonly sentColumns?: SentColumns
}

/** JSON text with only what is there; `{}` for most. */
export function formatMetadata(event: Pick<EventDraft, 'migrationId' | 'traceparent' | 'sentColumns'>): string {
  const { migrationId, traceparent, sentColumns } = event
  if (migrationId === null && traceparent === null && sentColumns === undefined) return '{}'
  return JSON.stringify({ migrationId: migrationId ?? undefined, traceparent: traceparent ?? undefined, sentColumns })
}

const NO_METADATA: EventMetadata = {}

function parseMetadata(text: string): EventMetadata {
  if (text === '{}') return NO_METADATA
  const raw: unknown = JSON.parse(text)
  if (isMetadata(raw)) return raw
  throw new SluiceError('STORE_EVENT_DATA_INVALID', {
    what: 'the metadata of a stored event can not be read',
    why: `it begins with ${JSON.stringify(text.slice(0, 16))}`,
    ways: ['sluice verify --chain    finds the first link that was changed'],
  })
}

function isMetadata(raw: unknown): raw is EventMetadata {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return false
  const columns: unknown = Reflect.get(raw, 'sentColumns')
  const areTexts = (fields: readonly unknown[]): boolean => fields.every((v) => v === undefined || typeof v === 'string')
  const isOfColumns =
    columns === undefined || (typeof columns === 'object' && columns !== null && areTexts(Object.values(columns)))
  return isOfColumns && areTexts(['migrationId', 'traceparent'].map((field): unknown => Reflect.get(raw, field)))
}

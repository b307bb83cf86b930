/**
 * Encodes stored events as Avro in Confluent's wire format: a zero byte, the schema's id in four bytes, the record.
 *
 * The record is written here, not by avsc: PostgreSQL's text goes into the union's branch without an object between, at a
 * third of the cost (see the test of the codec's rate). avsc reads the same bytes with the same schema; a test holds both together.
 */
import {
  CLAIMED_ROWS,
  type Claim,
  type EventData,
  type RowText,
  SluiceError,
  type StoredEvent,
  formatLsn,
  parseEventData,
} from '@sluice/core'
import { qualifiedName } from '@sluice/system'
import { AvroWriter } from './avro-writer.ts'
import { type ColumnWriter, columnWriter } from './column-writer.ts'
import type { TopicSchema } from './event-schema.ts'

const OPERATION_INDEX = { c: 0, u: 1, d: 2, t: 3, r: 4, e: 5 } as const satisfies Record<EventData['op'], number>

/**
 * The value of a message. The bytes are the caller's; a later call does not touch them.
 *
 * @param claims For values that were taken out of the event.
 */
export type EventEncoder = (event: StoredEvent, claims?: readonly Claim[]) => Buffer

interface RowWriter {
  readonly branch: number
  readonly columns: readonly { readonly name: string; readonly write: ColumnWriter }[]
}

/**
 * @param id The registry's id of the topic's schema.
 * @returns an encoder that throws SLU-4203 for an event that does not fit the schema
 */
export function createEventEncoder(topic: TopicSchema, id: number): EventEncoder {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(id, 1)
  const rows = rowWriters(topic)
  const writer = new AvroWriter()
  return (event, claims = []) => {
    try {
      writer.writeRaw(header)
      const data = parseEventData(event.eventData)
      writeEnvelope(writer, event, data.op)
      writeData(writer, topic, rows.get(event.aggregateType), data)
      if (topic.tables.length > 0) writeClaims(writer, claims)
      return writer.take()
    } catch (error) {
      writer.take()
      throw notEncodable(topic, event, error)
    }
  }
}

function rowWriters({ tables }: TopicSchema): ReadonlyMap<string, RowWriter> {
  return new Map(
    tables.map((table, i) => [
      table.aggregateType,
      {
        branch: (i + 1) * 2,
        columns: table.columnNames.map((name) => {
          const type = table.columns[name]
          if (type === undefined) throw new Error(`column ${name} of ${qualifiedName(table)} has no type`)
          return { name, write: columnWriter(type.avro) }
        }),
      },
    ]),
  )
}

function writeEnvelope(writer: AvroWriter, event: StoredEvent, op: EventData['op']): void {
  writer.writeString(event.eventId)
  writer.writeString(event.eventType)
  writer.writeString(event.aggregateType)
  writer.writeString(event.aggregateId)
  writeOptional(writer, event.aggregateKey)
  writer.writeLong(event.eventVersion)
  writer.writeLong(event.lane)
  writer.writeBigLong(event.position)
  writer.writeString(lsnText(event.commitLsn))
  writeMicros(writer, event.committedAt)
  writer.writeString(event.correlationId)
  writeOptional(writer, event.causationId)
  writeOptional(writer, event.userId)
  writeOptional(writer, event.migrationId)
  writer.writeByte(OPERATION_INDEX[op] * 2)
}

function writeOptional(writer: AvroWriter, text: string | null): void {
  if (text === null) {
    writer.writeByte(0)
    return
  }
  writer.writeByte(2)
  writer.writeString(text)
}

function writeMicros(writer: AvroWriter, micros: bigint): void {
  const value = Number(micros)
  if (Number.isSafeInteger(value)) writer.writeLong(value)
  else writer.writeBigLong(micros)
}

/** Events of one commit share the LSN. */
let lastLsn = -1n
let lastLsnText = ''

function lsnText(lsn: StoredEvent['commitLsn']): string {
  if (lsn !== lastLsn) {
    lastLsn = lsn
    lastLsnText = formatLsn(lsn)
  }
  return lastLsnText
}

function writeData(writer: AvroWriter, topic: TopicSchema, rows: RowWriter | undefined, data: EventData): void {
  const payload = data.op === 'e' ? data.payload : null
  if (topic.tables.length > 0) {
    writeRow(writer, rows, 'before' in data ? data.before : undefined)
    writeRow(writer, rows, 'after' in data ? data.after : undefined)
  }
  if (topic.hasOutbox) writeOptional(writer, payload)
  else if (payload !== null) throw new RangeError('the topic has no field for an own event')
}

function writeRow(writer: AvroWriter, rows: RowWriter | undefined, row: RowText | undefined): void {
  if (row === undefined) {
    writer.writeByte(0)
    return
  }
  if (rows === undefined) throw new RangeError('the topic carries no such aggregate')
  writer.writeByte(rows.branch)
  for (const { name, write } of rows.columns) {
    try {
      write(writer, row[name])
    } catch (error) {
      throw new RangeError(`column ${name}: ${error instanceof Error ? error.message : 'not encodable'}`, { cause: error })
    }
  }
}

function writeClaims(writer: AvroWriter, claims: readonly Claim[]): void {
  if (claims.length === 0) {
    writer.writeByte(0)
    return
  }
  writer.writeByte(2)
  writer.writeLong(claims.length)
  for (const { claimId, row, column, bytes, sha256 } of claims) {
    writer.writeString(claimId)
    writer.writeByte(CLAIMED_ROWS.indexOf(row) * 2)
    writer.writeString(column)
    writer.writeLong(bytes)
    writer.writeString(sha256)
  }
  writer.writeByte(0)
}

/** Names the event and the column, never the value. */
function notEncodable(topic: TopicSchema, event: StoredEvent, cause: unknown): SluiceError {
  return new SluiceError('EVENT_NOT_ENCODABLE', {
    what: `event ${event.eventId} (position ${event.lane}:${event.position}) does not fit the schema of topic ${topic.topic}`,
    why: cause instanceof RangeError || cause instanceof SluiceError ? cause.message : 'it can not be encoded',
    ways: [
      `sluice events show ${event.eventId}    shows its form without values`,
      'correct the column types in the system definition, then: sluice schemas generate',
    ],
    cause,
  })
}

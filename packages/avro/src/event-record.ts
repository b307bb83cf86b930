/**
 * Compiles a reader for the values of one registered schema. It resolves to the newest definition: a column that the
 * definition has and the message lacks is NULL (the field's default), one that only the message has is left out.
 */
import { CLAIMED_ROWS, type Claim, type Operation, type RowText, type TransactionContext } from '@sluice/core'
import type { ProjectedEvent } from '@sluice/system'
import type { AvroReader } from './avro-reader.ts'
import type { AvroEnum, AvroField, AvroRecord, AvroType } from './avro-schema.ts'
import { type ColumnReader, columnReader, isUnion } from './column-reader.ts'

export type EventRecordReader = (reader: AvroReader) => ProjectedEvent

/** What the newest definition says of a row's record: its columns, by record name. */
export type NewestColumns = ReadonlyMap<string, readonly string[]>

type RowReader = (reader: AvroReader) => RowText | null

const ENVELOPE_FIELDS = [
  'event_id',
  'event_type',
  'aggregate_type',
  'aggregate_id',
  'aggregate_key',
  'version',
  'lane',
  'position',
  'commit_lsn',
  'committed_at',
  'correlation_id',
  'causation_id',
  'user_id',
  'migration_id',
  'op',
] as const

/** @throws TypeError if the schema is not that of an event of Sluice */
export function eventRecordReader(schema: AvroRecord, newest: NewestColumns): EventRecordReader {
  const names = schema.fields.map((f) => f.name)
  ENVELOPE_FIELDS.forEach((field, i) => {
    if (names[i] !== field) throw new TypeError(`field ${i + 1} is ${names[i] ?? 'missing'}, not ${field}`)
  })
  const rest = schema.fields.slice(ENVELOPE_FIELDS.length)
  const records = new Map<string, AvroRecord>()
  const readRest = rest.map((field) => restReader(field, records, newest))
  const operations = operationSymbols(schema.fields[ENVELOPE_FIELDS.length - 1]!)
  return (reader) => {
    const event = readEnvelope(reader, operations)
    for (const read of readRest) read(reader, event)
    return event
  }
}

interface MutableEvent extends ProjectedEvent {
  before: RowText | null
  after: RowText | null
  payload: string | null
  claims?: readonly Claim[]
}

function readEnvelope(reader: AvroReader, operations: readonly Operation[]): MutableEvent {
  const eventId = reader.readString()
  const eventType = reader.readString()
  const aggregateType = reader.readString()
  const aggregateId = reader.readString()
  const aggregateKey = optionalString(reader)
  const version = reader.readInt()
  const lane = reader.readInt()
  const position = reader.readLong()
  const commitLsn = reader.readString()
  const committedAtMicros = reader.readLong()
  const context = readContext(reader)
  const migrationId = optionalString(reader)
  const op = operations[reader.readInt()]
  if (op === undefined) throw new RangeError('an unknown operation')
  return {
    eventId,
    eventType,
    aggregateType,
    aggregateId,
    aggregateKey,
    version,
    lane,
    position,
    commitLsn,
    committedAtMicros,
    context,
    migrationId,
    op,
    before: null,
    after: null,
    payload: null,
  }
}

function readContext(reader: AvroReader): TransactionContext {
  const correlationId = reader.readString()
  const causationId = optionalString(reader)
  const userId = optionalString(reader)
  if (causationId === null && userId === null) return { correlationId }
  return { correlationId, ...(causationId === null ? {} : { causationId }), ...(userId === null ? {} : { userId }) }
}

function optionalString(reader: AvroReader): string | null {
  return reader.readInt() === 0 ? null : reader.readString()
}

function operationSymbols(field: AvroField): readonly Operation[] {
  const { type } = field
  if (!isEnum(type)) throw new TypeError('op is no enum')
  return type.symbols.map((symbol) => {
    if (!/^[cudtre]$/.test(symbol)) throw new TypeError(`the operation ${symbol}`)
    return symbol as Operation
  })
}

type RestReader = (reader: AvroReader, into: MutableEvent) => void

function restReader(field: AvroField, records: Map<string, AvroRecord>, newest: NewestColumns): RestReader {
  if (field.name === 'payload') {
    return (reader, into) => {
      into.payload = optionalString(reader)
    }
  }
  if (field.name === 'claims') {
    return (reader, into) => {
      if (reader.readInt() !== 0) into.claims = readClaims(reader)
    }
  }
  if (field.name !== 'before' && field.name !== 'after') throw new TypeError(`the field ${field.name}`)
  const { name } = field
  const readRow = rowReader(field.type, records, newest)
  return (reader, into) => {
    into[name] = readRow(reader)
  }
}

/** An array is blocks, each with the number of its items in front; a negative one has the block's bytes behind it. */
function readClaims(reader: AvroReader): readonly Claim[] {
  const claims: Claim[] = []
  for (let count = reader.readInt(); count !== 0; count = reader.readInt()) {
    if (count < 0) reader.readInt()
    for (let i = Math.abs(count); i > 0; i--) claims.push(readClaim(reader))
  }
  return claims
}

function readClaim(reader: AvroReader): Claim {
  const claimId = reader.readString()
  const row = CLAIMED_ROWS[reader.readInt()]
  if (row === undefined) throw new RangeError('a claim is of an unknown row')
  return { claimId, row, column: reader.readString(), bytes: reader.readInt(), sha256: reader.readString() }
}

function rowReader(type: AvroType, records: Map<string, AvroRecord>, newest: NewestColumns): RowReader {
  if (!isUnion(type)) throw new TypeError('a row is no union')
  const branches = type.map((branch): RowReader => {
    if (branch === 'null') return () => null
    const record = recordOf(branch, records)
    return recordReader(record, newest.get(record.name))
  })
  return (reader) => {
    const branch = branches[reader.readInt()]
    if (branch === undefined) throw new RangeError('a row has a branch that its schema lacks')
    return branch(reader)
  }
}

/** A record is spelled out where it stands first, and named after that. */
function recordOf(type: AvroType, records: Map<string, AvroRecord>): AvroRecord {
  if (typeof type === 'string') {
    const found = records.get(type.slice(type.lastIndexOf('.') + 1))
    if (found) return found
    throw new TypeError(`the record ${type} is not defined`)
  }
  if (!isRecord(type)) throw new TypeError('a row is no record')
  records.set(type.name, type)
  return type
}

function recordReader(record: AvroRecord, newestColumns: readonly string[] | undefined): RowReader {
  const kept = newestColumns === undefined ? undefined : new Set(newestColumns)
  const columns: { readonly name: string | null; readonly read: ColumnReader }[] = record.fields.map((field) => {
    const name = field.column ?? field.name
    return { name: kept === undefined || kept.has(name) ? name : null, read: columnReader(field.type) }
  })
  const written = new Set(columns.map((c) => c.name))
  const lacking = (newestColumns ?? []).filter((name) => !written.has(name))
  return (reader) => {
    const row: Record<string, string | null> = {}
    for (const { name, read } of columns) {
      const text = read(reader)
      if (text !== undefined && name !== null) row[name] = text
    }
    for (const name of lacking) row[name] = null
    return row
  }
}

function isEnum(type: AvroType): type is AvroEnum {
  return typeof type === 'object' && !isUnion(type) && type.type === 'enum'
}

export function isRecord(type: AvroType): type is AvroRecord {
  return typeof type === 'object' && !isUnion(type) && type.type === 'record'
}

/**
 * Reads a column's value as PostgreSQL's text again. Readers are compiled from the schema that the message was written
 * with, so a column that changed its form since is still read as it was written.
 */
import type { AvroLogical, AvroType } from './avro-schema.ts'
import type { AvroReader } from './avro-reader.ts'
import { formatDays, formatTime, formatTimestamp } from './calendar.ts'
import { formatDecimal } from './decimal.ts'
import { formatDouble, formatFloat } from './float-text.ts'

/** `undefined` is a value that PostgreSQL did not send. */
export type ColumnReader = (reader: AvroReader) => string | null | undefined

/** @throws TypeError if the type is none that Sluice writes */
export function columnReader(union: AvroType): ColumnReader {
  if (!isUnion(union)) throw new TypeError('a column is no union')
  const branches = union.map(branchReader)
  return (reader) => {
    const branch = branches[reader.readInt()]
    if (branch === undefined) throw new RangeError('a column has a branch that its schema lacks')
    return branch(reader)
  }
}

export function isUnion(type: AvroType): type is readonly AvroType[] {
  return Array.isArray(type)
}

function branchReader(type: AvroType): ColumnReader {
  if (isUnion(type)) throw new TypeError('a union in a union')
  if (typeof type !== 'string') {
    // The only record in a column's union; later ones refer to it by name.
    if (type.type === 'record') return () => undefined
    if (type.type === 'enum' || type.type === 'array') throw new TypeError(`an ${type.type} in a column`)
    return logicalReader(type)
  }
  return /(^|\.)Unavailable$/.test(type) ? () => undefined : primitiveReader(type)
}

function primitiveReader(type: string): ColumnReader {
  switch (type) {
    case 'null':
      return () => null
    case 'string':
      return (reader) => reader.readString()
    case 'boolean':
      return (reader) => (reader.readByte() === 1 ? 't' : 'f')
    case 'int':
      return (reader) => String(reader.readInt())
    case 'long':
      return (reader) => String(reader.readLong())
    case 'float':
      return (reader) => formatFloat(reader.readFloat())
    case 'double':
      return (reader) => formatDouble(reader.readDouble())
    case 'bytes':
      return (reader) => `\\x${reader.readBytes().toString('hex')}`
    default:
      throw new TypeError(`the type ${type} in a column`)
  }
}

function logicalReader({ type, logicalType, scale = 0 }: AvroLogical): ColumnReader {
  switch (logicalType) {
    case 'date':
      return (reader) => formatDays(reader.readInt())
    case 'time-micros':
      return (reader) => formatTime(reader.readInt())
    case 'timestamp-micros':
      return (reader) => formatTimestamp(reader.readInt(), '+00')
    case 'local-timestamp-micros':
      return (reader) => formatTimestamp(reader.readInt(), '')
    case 'decimal':
      return (reader) => formatDecimal(reader.readBytes(), scale)
    default:
      return primitiveReader(type)
  }
}

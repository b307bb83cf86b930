/** Decodes the values of the system's topics, whichever schema they were written with. */
import { SluiceError } from '@sluice/core'
import type { ProjectedEvent, SystemDefinition } from '@sluice/system'
import { AvroReader } from './avro-reader.ts'
import { avroName } from './avro-schema.ts'
import { deriveSchemas } from './event-schema.ts'
import { type EventRecordReader, type NewestColumns, eventRecordReader } from './event-record.ts'
import type { SchemaRegistry } from './schema-registry.ts'

export interface EventDecoder {
  /**
   * A promise only where the schema has to be fetched first.
   *
   * @throws SluiceError SLU-4204 if the value is not an event of Sluice, SLU-4201
   */
  decode(value: Buffer): ProjectedEvent | Promise<ProjectedEvent>
}

const HEADER_BYTES = 5

export function createEventDecoder(registry: Pick<SchemaRegistry, 'schemaOf'>, system: SystemDefinition): EventDecoder {
  const newest: NewestColumns = new Map(
    deriveSchemas(system).flatMap(({ tables }) => tables.map((t) => [`${avroName(t.aggregateType)}Row`, t.columnNames])),
  )
  const readers = new Map<number, EventRecordReader>()
  const fetchAndDecode = async (id: number, value: Buffer): Promise<ProjectedEvent> => {
    const schema = await registry.schemaOf(id)
    let reader = readers.get(id)
    if (reader === undefined) {
      try {
        reader = eventRecordReader(schema, newest)
      } catch (error) {
        throw notDecodable(`schema ${id} is not that of an event: ${reasonOf(error)}`, error)
      }
      readers.set(id, reader)
    }
    return decodeWith(reader, value)
  }
  return {
    decode(value) {
      if (value.length < HEADER_BYTES || value[0] !== 0) throw notDecodable('it does not begin with a zero byte and a schema id')
      const id = value.readUInt32BE(1)
      const reader = readers.get(id)
      return reader === undefined ? fetchAndDecode(id, value) : decodeWith(reader, value)
    },
  }
}

function decodeWith(read: EventRecordReader, value: Buffer): ProjectedEvent {
  const reader = new AvroReader(value, HEADER_BYTES)
  let event: ProjectedEvent
  try {
    event = read(reader)
  } catch (error) {
    throw notDecodable(reasonOf(error), error)
  }
  if (!reader.isAtEnd) throw notDecodable('there are bytes behind the record')
  return event
}

function reasonOf(error: unknown): string {
  return error instanceof RangeError || error instanceof TypeError ? error.message : 'it is damaged'
}

function notDecodable(why: string, cause?: unknown): SluiceError {
  return new SluiceError('EVENT_NOT_DECODABLE', {
    what: 'a message is not an event of this system',
    why,
    ways: ['only the relay may write to the topics of the system: see who else can', 'sluice status    shows topics and offsets'],
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Reads a registered schema's text. avsc checks that it is valid Avro; what is compiled from is the JSON itself. */
import { SluiceError } from '@sluice/core'
import avsc from 'avsc'
import type { AvroRecord } from './avro-schema.ts'

/** @throws SluiceError SLU-4204 if it is no record */
export function parseEventSchema(text: string): AvroRecord {
  try {
    const schema: unknown = JSON.parse(text)
    if (!isAvroRecord(schema)) throw new TypeError('it is no record')
    // Throws for a schema that is not valid.
    avsc.Type.forSchema(JSON.parse(text) as avsc.Schema, { wrapUnions: true })
    return schema
  } catch (cause) {
    throw new SluiceError('EVENT_NOT_DECODABLE', {
      what: 'a registered schema is not that of an event',
      why: cause instanceof Error ? cause.message : String(cause),
      ways: ['only the relay and provision may register schemas of the system: see who else can'],
      cause,
    })
  }
}

function isAvroRecord(schema: unknown): schema is AvroRecord {
  return (
    typeof schema === 'object' &&
    schema !== null &&
    'type' in schema &&
    schema.type === 'record' &&
    'fields' in schema &&
    Array.isArray(schema.fields)
  )
}

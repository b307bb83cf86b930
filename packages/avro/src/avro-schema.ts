/**
 * The part of the Avro schema language that Sluice uses, as JSON.
 *
 * https://avro.apache.org/docs/1.12.0/specification/
 */
export type AvroPrimitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'

export interface AvroLogical {
  readonly type: AvroPrimitive
  readonly logicalType?: string
  readonly precision?: number
  readonly scale?: number
}

export interface AvroEnum {
  readonly type: 'enum'
  readonly name: string
  readonly namespace?: string
  readonly doc?: string
  readonly symbols: readonly string[]
}

export interface AvroArray {
  readonly type: 'array'
  readonly items: AvroType
}

export interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly doc?: string
  readonly default?: null
  /** The column's own name where that is no legal Avro name. */
  readonly column?: string
}

export interface AvroRecord {
  readonly type: 'record'
  readonly name: string
  readonly namespace?: string
  readonly doc?: string
  readonly fields: readonly AvroField[]
}

/** A string is a primitive, or the full name of a type that was defined before. */
export type AvroType = string | AvroLogical | AvroEnum | AvroRecord | AvroArray | readonly AvroType[]

const LEGAL_CHARACTER = /[A-Za-z0-9_]/

/**
 * A legal Avro name for any text: other characters become `_u<hexadecimal code>_`, and so does an underscore that would
 * read as one of those, so that no two texts give one name.
 */
export function avroName(text: string): string {
  const escaped = text.replaceAll('_u', '_u5f_u')
  const legal = Array.from(escaped, (c) => (LEGAL_CHARACTER.test(c) ? c : `_u${c.codePointAt(0)!.toString(16)}_`)).join('')
  return /^[0-9]/.test(legal) ? `_u${legal.charCodeAt(0).toString(16)}_${legal.slice(1)}` : legal
}

/** `contracts.opportunities.migrated` as `ContractsOpportunitiesMigrated`. */
export function pascalCase(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((w) => w !== '')
  return words.map((w) => w[0]!.toUpperCase() + w.slice(1)).join('')
}

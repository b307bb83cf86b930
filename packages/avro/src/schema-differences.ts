/** What differs between two schemas of a topic, in words: registries say that two are not compatible, few say where. */
import type { AvroField, AvroRecord, AvroType } from './avro-schema.ts'
import { isUnion } from './column-reader.ts'
import { isRecord } from './event-record.ts'

/** One line for each field whose type changed, and each that is new and has no default; by record and field. */
export function schemaDifferences(registered: AvroRecord, wanted: AvroRecord): readonly string[] {
  const before = recordsOf(registered)
  return [...recordsOf(wanted)].flatMap(([name, record]) => {
    const old = before.get(name)
    return old === undefined ? [] : fieldDifferences(name, old.fields, record.fields)
  })
}

function fieldDifferences(record: string, before: readonly AvroField[], after: readonly AvroField[]): readonly string[] {
  const old = new Map(before.map((f) => [f.name, f]))
  return after.flatMap((field) => {
    const place = `${record}.${field.column ?? field.name}`
    const former = old.get(field.name)
    if (former === undefined) return field.default === undefined ? [`${place} is new and has no default`] : []
    const [was, is] = [typeText(former.type), typeText(field.type)]
    return was === is ? [] : [`${place} was ${was}, is ${is}`]
  })
}

/** The envelope and the records in its unions, by name. */
function recordsOf(schema: AvroRecord): ReadonlyMap<string, AvroRecord> {
  const found = new Map([[schema.name, schema]])
  for (const { type } of schema.fields) {
    for (const branch of isUnion(type) ? type : [type]) if (isRecord(branch)) found.set(branch.name, branch)
  }
  return found
}

/** `null or decimal(14,2) or string`; rows and `Unavailable` by their names. */
function typeText(type: AvroType): string {
  if (isUnion(type))
    return type
      .map(typeText)
      .filter((t) => t !== 'Unavailable')
      .join(' or ')
  if (typeof type === 'string') return type.slice(type.lastIndexOf('.') + 1)
  if (type.type === 'record' || type.type === 'enum') return type.name
  if (type.type === 'array') return `array of ${typeText(type.items)}`
  if (type.logicalType === undefined) return type.type
  return type.precision === undefined ? type.logicalType : `${type.logicalType}(${type.precision},${type.scale ?? 0})`
}

/** The class that holds a table's objects: the file of the definition, and the properties in which Sluice notes where an object is. */
import { readFile } from 'node:fs/promises'
import { SluiceError } from '@sluice/core'
import type { WeaviateClass } from '@sluice/system'
import { z } from 'zod'
import { jsonOf } from './json-of.ts'
import { formOf } from './property-value.ts'
import type { WeaviateClassStructure } from './weaviate-server.ts'

/** Where the event is noted that an object stands for. */
export const EVENT_PROPERTY = 'sluice_event_id'
export const LANE_PROPERTY = 'sluice_lane'
export const POSITION_PROPERTY = 'sluice_position'

const SLUICE_PROPERTIES: Readonly<Record<string, string>> = {
  [EVENT_PROPERTY]: 'text',
  [LANE_PROPERTY]: 'int',
  [POSITION_PROPERTY]: 'int',
}

const fileSchema = z.looseObject({
  class: z.string(),
  properties: z.array(z.looseObject({ name: z.string(), dataType: z.array(z.string()) })),
})

/**
 * The class as it is made: vectors are given by Sluice, whatever the file says of a vectorizer.
 *
 * @throws SluiceError SLU-5103 if the file does not describe the class
 */
export async function classToMake(table: WeaviateClass): Promise<object> {
  const file = await readFile(table.structure, 'utf8')
  const read = fileSchema.safeParse(jsonOf(file))
  if (!read.success || read.data.class !== table.name) {
    const why = read.success ? `it describes "${read.data.class}"` : 'it has not the form of a class of Weaviate'
    throw notProvisioned(table, `the file of the class can not be used: ${why}`)
  }
  const own = Object.entries(SLUICE_PROPERTIES).map(([name, type]) => ({ name, dataType: [type] }))
  return { ...read.data, vectorizer: 'none', properties: [...read.data.properties, ...own] }
}

/** @throws SluiceError SLU-5103 if the class is not there, or can not hold the table's objects */
export function assertClass(table: WeaviateClass, structure: WeaviateClassStructure | null): void {
  if (structure === null) throw notProvisioned(table, 'there is no such class')
  const types = new Map((structure.properties ?? []).map(({ name, dataType }) => [name, dataType.join()]))
  const wanted = { ...SLUICE_PROPERTIES, ...columnTypes(table), [table.embeddingVersion]: 'int' }
  const wrong = Object.entries(wanted).flatMap(([name, type]) => {
    const found = types.get(name)
    return found === type ? [] : [`${name} is ${found ?? 'missing'}, ${type} is needed`]
  })
  if (wrong.length > 0) throw notProvisioned(table, wrong.join('; '))
}

function columnTypes({ columns, source }: WeaviateClass): Record<string, string> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, from]) => [name, formOf(from.kind === 'column' ? source.columns[from.name] : undefined)]),
  )
}

export function notProvisioned(table: WeaviateClass, why: string): SluiceError {
  return new SluiceError('SINK_NOT_PROVISIONED', {
    what: `the class ${table.name} of weaviate can not hold what the service writes`,
    why,
    ways: ['sluice provision', 'a class that has other properties: remove it, provision again, and replay its topic'],
  })
}

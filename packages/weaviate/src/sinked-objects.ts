/** What the objects of a class are to whoever compares them: their values as text, and whether they have their embedding. */
import { positionNumber } from '@sluice/core'
import type { SinkedRow } from '@sluice/sink'
import type { WeaviateClass } from '@sluice/system'
import type { Embedder } from './embedder.ts'
import { formsOf } from './property-value.ts'
import { everyObject, storedObject } from './stored-objects.ts'
import type { WeaviateObject, WeaviateServer } from './weaviate-server.ts'

/** Objects that are held at once, with their vectors. */
const PAGE = 200

/** All objects of a class in the order of their ids. */
export async function* sinkedObjects(
  server: WeaviateServer,
  table: WeaviateClass,
  embedder: Embedder,
): AsyncGenerator<readonly SinkedRow[], void> {
  for await (const objects of everyObject(server, table, PAGE, 'vector')) {
    yield objects.map((object) => sinkedRow(table, object, embedder))
  }
}

function sinkedRow(table: WeaviateClass, object: WeaviateObject, embedder: Embedder): SinkedRow {
  const { eventId, lane, position, values } = storedObject(table, object)
  const unclear = [...formsOf(table)].flatMap(([name, form]) => (form === 'text[]' && values[name] === null ? [name] : []))
  const faults = embeddingFaults(table, object, embedder)
  return {
    eventId,
    aggregateId: object.id,
    lane,
    position: positionNumber(position),
    values: Object.fromEntries(Object.entries(values).filter(([name]) => !unclear.includes(name))),
    ...(faults.length > 0 ? { faults } : {}),
  }
}

/** Of the numbers of a vector nothing is said: whoever wants them compared has to ask the model again. */
function embeddingFaults(
  table: WeaviateClass,
  { vector, properties }: WeaviateObject,
  { dimensions }: Embedder,
): readonly string[] {
  const version = properties?.[table.embeddingVersion]
  return [
    ...(vector?.length === dimensions ? [] : ['vector']),
    ...(typeof version === 'number' && version > 0 ? [] : [table.embeddingVersion]),
  ]
}

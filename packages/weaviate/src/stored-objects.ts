/** Objects of a class as the server has them, and what they are to the sink. */
import type { WeaviateClass } from '@sluice/system'
import { EVENT_PROPERTY, LANE_PROPERTY, POSITION_PROPERTY } from './class-structure.ts'
import type { StoredObject } from './object-plan.ts'
import { type PropertyForm, columnText, formsOf } from './property-value.ts'
import type { WeaviateObject, WeaviateServer } from './weaviate-server.ts'

/** Objects that are looked up at once. */
const LOOK_UPS = 8
/** The id before all others; an object may have it, too. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/** Those of the ids that are there, by their id. */
export async function storedObjects(
  server: WeaviateServer,
  table: WeaviateClass,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredObject>> {
  const stored = new Map<string, StoredObject>()
  const waiting = [...ids]
  const lookUp = async (): Promise<void> => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const found = await server.object(table.name, id)
      if (found) stored.set(id, storedObject(table, found))
    }
  }
  await Promise.all(Array.from({ length: LOOK_UPS }, lookUp))
  return stored
}

/** All objects of a class in the order of their ids, in pages that are not empty. */
export async function* everyObject(
  server: WeaviateServer,
  table: WeaviateClass,
  page: number,
  include?: 'vector',
): AsyncGenerator<readonly WeaviateObject[], void> {
  const first = await server.object(table.name, FIRST_ID, include)
  if (first !== null) yield [first]
  for (let after = FIRST_ID; ;) {
    const objects = await server.objectsAfter(table.name, after, page, include)
    const last = objects.at(-1)
    if (last === undefined) return
    yield objects
    after = last.id
  }
}

/** What is not in the form that the sink writes is told as it can not be: somebody else's object has no event, and lane 0. */
export function storedObject(table: WeaviateClass, { properties }: WeaviateObject): StoredObject {
  const held = properties ?? {}
  const [eventId, lane, position] = [held[EVENT_PROPERTY], held[LANE_PROPERTY], held[POSITION_PROPERTY]]
  return {
    eventId: typeof eventId === 'string' ? eventId : '',
    lane: typeof lane === 'number' ? lane : 0,
    position: typeof position === 'number' ? BigInt(position) : 0n,
    values: Object.fromEntries([...formsOf(table)].map(([name, form]) => [name, storedText(table, name, form, held[name])])),
  }
}

/** Weaviate keeps no NULL, and an empty array is nothing to it either: the column's type says which one it is. */
function storedText(table: WeaviateClass, name: string, form: PropertyForm, value: unknown): string | null {
  const from = table.columns[name]
  const isNullable = from?.kind !== 'column' || table.source.columns[from.name]?.isNullable !== false
  return columnText(form, value) ?? (form === 'text[]' && !isNullable ? '{}' : null)
}

/** Objects of a class to a backup and back: a line of JSON an object, with all its properties and its vector, so that nothing is embedded again. */
import { SluiceError } from '@sluice/core'
import { wholeLines } from '@sluice/sink'
import type { WeaviateClass } from '@sluice/system'
import { jsonOf } from './json-of.ts'
import { isNewer } from './object-plan.ts'
import { requestsOf } from './object-requests.ts'
import { everyObject, storedObject, storedObjects } from './stored-objects.ts'
import { type WeaviateObject, type WeaviateServer, objectSchema } from './weaviate-server.ts'

/** With vectors, of which one may have some ten thousand characters. */
const EXPORT_PAGE = 100
const IMPORT_BYTES_MAX = 4 * 1024 * 1024

export async function* exportObjects(
  server: WeaviateServer,
  table: WeaviateClass,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  for await (const objects of everyObject(server, table, EXPORT_PAGE, 'vector')) {
    signal.throwIfAborted()
    yield Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join(''))
  }
}

/** An object that is as new or newer stays. @throws SluiceError SLU-5102 */
export async function importObjects(server: WeaviateServer, table: WeaviateClass, rows: AsyncIterable<Buffer>): Promise<void> {
  for await (const lines of wholeLines(rows, IMPORT_BYTES_MAX)) {
    const objects = lines
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => objectOf(table, line))
    const stored = await storedObjects(
      server,
      table,
      objects.map(({ id }) => id),
    )
    const newer = objects.filter((object) => {
      const held = stored.get(object.id)
      return held === undefined || isNewer(storedObject(table, object), held)
    })
    const toWrite = newer.map(({ id, properties, vector }) => ({
      class: table.name,
      id,
      properties: properties ?? {},
      vector: vector ?? [],
    }))
    for (const part of requestsOf(toWrite)) {
      const refused = await server.write(part)
      if (refused.length > 0) throw refusedImport(server, table, refused.length)
    }
  }
}

/** @throws SluiceError SLU-5102 */
function objectOf(table: WeaviateClass, line: string): WeaviateObject {
  const read = objectSchema.safeParse(jsonOf(line))
  if (read.success) return read.data
  throw new SluiceError('SINK_REFUSED', {
    what: `what is imported into ${table.name} are no objects of weaviate`,
    why: 'a line of it is not the JSON of an object with an id',
    ways: ['take another backup'],
  })
}

function refusedImport(server: WeaviateServer, table: WeaviateClass, objects: number): SluiceError {
  return new SluiceError('SINK_REFUSED', {
    what: `the sink ${server.display} does not take all objects of ${table.name}`,
    why: `it refuses ${objects} of them`,
    ways: ['compare the class with its file', "look into the server's log"],
  })
}

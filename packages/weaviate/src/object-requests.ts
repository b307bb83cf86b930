/** Objects in the requests that write them. */
import { boundedParts } from '@sluice/core'
import type { ObjectToWrite } from './weaviate-server.ts'

/** Of one request; a larger object goes alone. */
const OBJECTS_MAX = 200
const BYTES_MAX = 4 * 1024 * 1024

export function requestsOf(objects: readonly ObjectToWrite[]): Iterable<readonly ObjectToWrite[]> {
  const bytesOf = (object: ObjectToWrite): number => Buffer.byteLength(JSON.stringify(object))
  return boundedParts(objects, bytesOf, { bytesMax: BYTES_MAX, itemsMax: OBJECTS_MAX })
}

/** Reads the payload of an application's own event. */
import type { ProjectedEvent } from '@sluice/system'

interface FieldTypes {
  readonly string: string
  readonly number: number
}

/** @throws TypeError if a field is missing or of another type; never with the payload in it */
export function parsePayload<const Fields extends Readonly<Record<string, keyof FieldTypes>>>(
  event: ProjectedEvent,
  fields: Fields,
): { readonly [F in keyof Fields]: FieldTypes[Fields[F]] } {
  const payload: unknown = event.payload === null ? null : JSON.parse(event.payload)
  if (!hasFields(payload, fields)) {
    throw new TypeError(`the payload of ${event.eventType} needs ${Object.keys(fields).join(', ')}`)
  }
  return payload
}

function hasFields<Fields extends Readonly<Record<string, keyof FieldTypes>>>(
  payload: unknown,
  fields: Fields,
): payload is { readonly [F in keyof Fields]: FieldTypes[Fields[F]] } {
  if (typeof payload !== 'object' || payload === null) return false
  const values = new Map<string, unknown>(Object.entries(payload))
  return Object.entries(fields).every(([name, type]) => typeof values.get(name) === type)
}

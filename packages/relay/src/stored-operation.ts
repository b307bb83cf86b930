/** What a stored event is, told from how its data begins: `op` is its first field, and parsing all of it would cost more than the rest. */
import type { StoredEvent } from '@sluice/core'

type StoredData = Pick<StoredEvent, 'eventData'>

/** An application's own event, from an outbox. */
export function isOwnEvent({ eventData }: StoredData): boolean {
  return eventData.startsWith('{"op":"e"')
}

export function isUpdate({ eventData }: StoredData): boolean {
  return eventData.startsWith('{"op":"u"')
}

export function isTruncate({ eventData }: StoredData): boolean {
  return eventData.startsWith('{"op":"t"')
}

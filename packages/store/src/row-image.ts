/** What an event does to the last image of its aggregate's row. */
import type { EventDraft } from '@sluice/core'

/** `kept` is the event's own row, or the place of a truncate; `gone`: no row has the aggregate's key any more. */
export type ImageEffect = 'kept' | 'gone' | 'none'

/** Where the operation's letter stands: `{"op":"c"`. */
const OPERATION_AT = 7
const DELETED = 'd'.charCodeAt(0)
const OWN_EVENT = 'e'.charCodeAt(0)

export function imageEffect({ eventData, update }: Pick<EventDraft, 'eventData' | 'update'>): ImageEffect {
  const operation = eventData.charCodeAt(OPERATION_AT)
  if (operation === OWN_EVENT) return 'none'
  return operation === DELETED || (update?.movedTo ?? null) !== null ? 'gone' : 'kept'
}

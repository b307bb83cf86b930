/** Which parked events a command means: by id, `--key`, `--topic` and `--error`. */
import { SluiceError, aggregateName } from '@sluice/core'
import type { ParkedSelection } from '@sluice/projector'
import { z } from 'zod'

export const SelectionOptions = z.object({
  key: z.string().optional(),
  topic: z.string().optional(),
  error: z.string().optional(),
})

/** All that is given must hold. @throws SluiceError SLU-1001 */
export function selectionOf(eventId: string | undefined, options: z.output<typeof SelectionOptions>): ParkedSelection {
  const { key, topic, error } = options
  return {
    ...(eventId === undefined ? {} : { eventId: eventIdOf(eventId) }),
    ...(key === undefined ? {} : { aggregate: aggregateOf(key) }),
    ...(topic === undefined ? {} : { topic }),
    ...(error === undefined ? {} : { error }),
  }
}

/** @throws SluiceError SLU-1001 */
export function eventIdOf(text: string | undefined): string {
  if (text !== undefined && z.uuid().safeParse(text).success) return text.toLowerCase()
  throw usage('an event is named by its id', `"${text ?? ''}" is not one`, 'sluice parked list <service>    shows the ids')
}

/** `Type/id`, where the id is the aggregate's id or the text of its key. */
function aggregateOf(text: string): { readonly type: string; readonly id: string } {
  const at = text.indexOf('/')
  if (at > 0 && at < text.length - 1) return { type: text.slice(0, at), id: aggregateName([text.slice(at + 1)]).id }
  throw usage('a key is written as aggregate type and key', `"${text}" is not of that form`, '--key Customer/4711')
}

function usage(what: string, why: string, way: string): SluiceError {
  return new SluiceError('USAGE', { what, why, ways: [way] })
}

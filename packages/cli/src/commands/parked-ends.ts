/** How events left a parking lot, in words: for `sluice parked list --ended`, and for whoever asks for one that is no longer there. */
import { SluiceError } from '@sluice/core'
import { type Cell, type Column } from '../table.ts'

/** An event that left the lot of a service, or of a lane's relay. */
export interface EndedEvent {
  readonly eventId: string
  readonly lane: number
  readonly position: bigint
  readonly result: 'applied' | 'published' | 'skipped' | 'closed'
  /** Position of the truncate that closed it. */
  readonly closedBy: bigint | null
  readonly endedAt: Date
}

export const ENDED_COLUMNS: readonly Column[] = [
  { title: 'position', align: 'right' },
  { title: 'event' },
  { title: 'how it ended' },
  { title: 'when' },
]

export function endedRow(event: EndedEvent): readonly Cell[] {
  return [event.position, event.eventId, howItEnded(event), event.endedAt.toISOString()]
}

/** The error for an event that is not in a lot (any more). @param lot `in analytics`, `at the relay of monolith` @param end How it left. */
export function notParked(lot: string, eventId: string, end: EndedEvent | undefined, way: string): SluiceError {
  const gone = 'its row is gone in the source too, and a retry would bring it back'
  return new SluiceError('EVENT_NOT_PARKED', {
    what: `event ${eventId} is not parked ${lot}`,
    why:
      end === undefined
        ? 'it never was, as far as is recorded'
        : `it was ${howItEnded(end)} on ${end.endedAt.toISOString()}${end.result === 'closed' ? `: ${gone}` : ''}`,
    ways: [way],
  })
}

function howItEnded({ result, lane, closedBy }: EndedEvent): string {
  switch (result) {
    case 'applied':
    case 'published':
      return `${result} when it was tried again`
    case 'skipped':
      return 'given up'
    case 'closed':
      return closedBy === null ? 'ended by a truncate of its table' : `ended by the truncate at position ${lane}:${closedBy}`
  }
}

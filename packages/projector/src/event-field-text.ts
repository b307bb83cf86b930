/** PostgreSQL's text of what a mapping writes of the event itself. */
import { correlationUuid } from '@sluice/core'
import type { EventField, ProjectedEvent } from '@sluice/system'

const MICROS_A_SECOND = 1_000_000n
const MICROS_DIGITS = 6

export function eventFieldText(event: ProjectedEvent, field: EventField): string | null {
  const { correlationId, causationId, userId } = event.context
  switch (field) {
    case 'eventId':
      return event.eventId
    case 'eventType':
      return event.eventType
    case 'version':
      return String(event.version)
    case 'lane':
      return String(event.lane)
    case 'position':
      return String(event.position)
    case 'committedAt':
      return instantText(event.committedAtMicros)
    case 'correlationId':
      return correlationId ?? null
    case 'correlationUuid':
      return correlationId == null ? null : correlationUuid(correlationId)
    case 'causationId':
      return causationId ?? null
    case 'userId':
      return userId ?? null
    case 'migrationId':
      return event.migrationId
  }
}

/** ISO text to the microsecond; JavaScript's own dates end at the millisecond. */
function instantText(micros: bigint): string {
  const within = ((micros % MICROS_A_SECOND) + MICROS_A_SECOND) % MICROS_A_SECOND
  const seconds = new Date(Number((micros - within) / 1000n)).toISOString().slice(0, -'.000Z'.length)
  return `${seconds}.${String(within).padStart(MICROS_DIGITS, '0')}Z`
}

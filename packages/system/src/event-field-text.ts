import { correlationUuid, instantText } from '@sluice/core'
import type { EventField } from './event-field.ts'
import type { ProjectedEvent } from './projection.ts'
import type { SinkField } from './sink-table.ts'

/** Text, as PostgreSQL reads it, of what a service or a sink writes of the event itself; null where the event does not have it. */
export function eventFieldText(event: ProjectedEvent, field: EventField | SinkField): string | null {
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
    case 'userUuid':
      return userId == null ? null : correlationUuid(userId)
    case 'migrationId':
      return event.migrationId
  }
}

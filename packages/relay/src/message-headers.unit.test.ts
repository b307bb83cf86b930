import { type StoredEvent, epochMicros, formatEventData, laneId, lsnOf, parseUuid, positionNumber } from '@sluice/core'
import { expect, test } from 'vitest'
import { messageHeaders } from './message-headers.ts'

const EVENT_ID = '0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'

function event(changes: Partial<StoredEvent>): StoredEvent {
  return {
    lane: laneId(1),
    position: positionNumber(2),
    eventVersion: 1,
    eventId: parseUuid(EVENT_ID),
    eventType: 'OpportunityMigrated',
    aggregateType: 'Opportunity',
    aggregateId: parseUuid('1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    aggregateKey: '1',
    eventData: formatEventData({ op: 'c', after: { id: '1' } }),
    ordinal: 0,
    correlationId: 'load-1',
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    commitLsn: lsnOf(1n),
    committedAt: epochMicros(0n),
    ...changes,
  }
}

test('a migrated row has correlation-id and migration-id; what has no value has no header', () => {
  expect(messageHeaders(event({ migrationId: 'run-1' }), 'default', '/sluice/s/monolith')).toEqual({
    'event-id': EVENT_ID,
    'correlation-id': 'load-1',
    'migration-id': 'run-1',
  })
  expect(messageHeaders(event({}), 'default', '/sluice/s/monolith')).toEqual({ 'event-id': EVENT_ID, 'correlation-id': 'load-1' })
})

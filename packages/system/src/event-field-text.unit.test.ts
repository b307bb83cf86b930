import { correlationUuid, epochMicros } from '@sluice/core'
import { expect, test } from 'vitest'
import { eventFieldText } from './event-field-text.ts'
import type { ProjectedEvent } from './projection.ts'

const event: ProjectedEvent = {
  eventId: '5d2c1bb5-6a35-5dd7-8f32-0d2c1a7cf4a1',
  eventType: 'OrderUpdated',
  aggregateType: 'Order',
  aggregateId: '5d2c1bb5-6a35-5dd7-8f32-0d2c1a7cf4a2',
  aggregateKey: null,
  version: 7,
  lane: 2,
  position: 9_007_199_254_740_993n,
  commitLsn: '0/1',
  committedAtMicros: epochMicros(1_700_000_000_000_009n),
  context: { correlationId: 'checkout-4711' },
  migrationId: null,
  op: 'u',
  before: null,
  after: {},
  payload: null,
}

test('fields are told exactly: a position above 2^53, a time to the microsecond', () => {
  expect(eventFieldText(event, 'position')).toBe('9007199254740993')
  expect(eventFieldText(event, 'committedAt')).toBe('2023-11-14T22:13:20.000009Z')
  expect(eventFieldText({ ...event, committedAtMicros: -1n }, 'committedAt')).toBe('1969-12-31T23:59:59.999999Z')
})

test('a correlation id is a uuid where the column is one', () => {
  const own = '3f0b2c4e-8a57-4c55-9d57-0f8fb0b2b111'
  expect(eventFieldText(event, 'correlationUuid')).toBe(correlationUuid('checkout-4711'))
  expect(eventFieldText({ ...event, context: { correlationId: own } }, 'correlationUuid')).toBe(own)
  expect(eventFieldText({ ...event, context: {} }, 'correlationUuid')).toBeNull()
})

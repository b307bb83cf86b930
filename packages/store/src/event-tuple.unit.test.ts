import {
  type CommitInfo,
  type EventDraft,
  type LaneId,
  type PositionNumber,
  type Uuid,
  epochMicros,
  isSluiceError,
  lsnOf,
} from '@sluice/core'
import { BinaryCopyEncoder } from '@sluice/postgres'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EVENT_COLUMNS, decodeEventTuple, encodeEventTuple, formatMetadata, tuplePosition } from './event-tuple.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const uuid = fc.uuid().map((u) => u as Uuid)
const drafts = fc.record<EventDraft>({
  eventId: uuid,
  eventType: text,
  aggregateType: text,
  aggregateId: uuid,
  aggregateKey: fc.option(text),
  eventData: fc.json(),
  ordinal: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  correlationId: text,
  causationId: fc.option(text),
  userId: fc.option(text),
  traceparent: fc.option(text),
  migrationId: fc.option(text),
})
const places = fc.record({
  lane: fc.integer({ min: 1, max: 32767 }).map((n) => n as LaneId),
  position: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map((n) => n as PositionNumber),
  eventVersion: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
})
const commits = fc.record<CommitInfo>({
  kind: fc.constantFrom('commit', 'chunk'),
  commitLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(lsnOf),
  endLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(lsnOf),
  committedAt: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }).map(epochMicros),
})

test('an event comes back from its tuple as it went in', () => {
  fc.assert(
    fc.property(drafts, places, commits, (draft, place, commit) => {
      const encoder = new BinaryCopyEncoder(16)
      encodeEventTuple(encoder, place, commit, draft)
      const tuple = encoder.take()
      expect(tuple.readInt16BE(0)).toBe(EVENT_COLUMNS.length)
      expect(tuplePosition(tuple, 0)).toBe(place.position)
      expect(decodeEventTuple(tuple, 0)).toEqual({
        ...draft,
        ...place,
        commitLsn: commit.commitLsn,
        committedAt: commit.committedAt,
      })
    }),
  )
})

describe('metadata', () => {
  test('has only what is there', () => {
    expect(formatMetadata({ migrationId: null, traceparent: null })).toBe('{}')
    expect(formatMetadata({ migrationId: 'm', traceparent: null })).toBe('{"migrationId":"m"}')
    expect(formatMetadata({ migrationId: 'm', traceparent: 't' })).toBe('{"migrationId":"m","traceparent":"t"}')
  })

  test('that was changed in the store is SLU-3101', () => {
    const encoder = new BinaryCopyEncoder()
    const place = { lane: 1 as LaneId, position: 1n as PositionNumber, eventVersion: 1 }
    fc.assert(
      fc.property(drafts, commits, (draft, commit) => {
        encodeEventTuple(encoder, place, commit, { ...draft, migrationId: 'mmmm', traceparent: null })
        const spoilt = Buffer.from(
          encoder.take().toString('latin1').replace('{"migrationId":"mmmm"}', '{"migrationId": 12345}'),
          'latin1',
        )
        expect(() => decodeEventTuple(spoilt, 0)).toThrow(expect.toSatisfy((e) => isSluiceError(e, 'STORE_EVENT_DATA_INVALID')))
      }),
      { numRuns: 5 },
    )
  })
})

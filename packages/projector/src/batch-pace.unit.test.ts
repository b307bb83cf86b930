import { epochMicros, laneId, offsetOf, positionNumber, parseUuid } from '@sluice/core'
import { expect, test } from 'vitest'
import type { Batch, BatchEvent } from './batch.ts'
import { BatchPace } from './batch-pace.ts'

/** A batch of source commits with so many events each. */
function batchOf(...commits: readonly number[]): Batch {
  const events = commits.flatMap((size, commit) => Array.from({ length: size }, () => `0/${commit}`))
  return {
    lane: laneId(1),
    laneName: 'l',
    epoch: parseUuid('00000000-0000-4000-8000-000000000000'),
    clusterId: 'c',
    events: events.map((commitLsn, i) => event(i + 1, commitLsn)),
    through: positionNumber(events.length + 5),
    control: { topic: 'control', partition: 0, next: offsetOf(9n) },
    bytes: events.length,
  }
}

function event(position: number, commitLsn: string): BatchEvent {
  return {
    event: {
      eventId: `e${position}`,
      eventType: 'x',
      aggregateType: 'T',
      aggregateId: 'a',
      aggregateKey: null,
      version: 1,
      lane: laneId(1),
      position: positionNumber(position),
      commitLsn,
      committedAtMicros: epochMicros(0n),
      context: {},
      migrationId: null,
      op: 'c',
      before: null,
      after: {},
      payload: null,
    },
    route: null,
    place: { topic: 't', partition: 0, offset: offsetOf(BigInt(position)) },
    message: Buffer.alloc(1),
  }
}

function slowPace(events: number): BatchPace {
  const pace = new BatchPace(2_000)
  pace.learn(events * 10, 20_000)
  return pace
}

test('a slow service gets as much as it applies in the wanted time, up to the end of a source commit', () => {
  const { part, rest } = slowPace(100).cut(batchOf(60, 30, 30, 200))
  expect(part.events).toHaveLength(90)
  expect(part.through).toBe(90n)
  expect(part.control).toBeNull()
  expect(rest?.events).toHaveLength(230)
  expect(rest?.control).not.toBeNull()
})

test('a source commit that is larger than what fits stays whole', () => {
  const { part, rest } = slowPace(100).cut(batchOf(400, 3))
  expect(part.events).toHaveLength(400)
  expect(rest?.events).toHaveLength(3)
})

test('an event that was published late is not torn from the newer ones before it, wherever it stands', () => {
  for (const lateAt of [1, 50, 99, 100, 101, 250]) {
    const batch = batchOf(...Array<number>(300).fill(1))
    const events = [...batch.events]
    // Positions go on behind it as they did before.
    events[lateAt] = event(0, 'late')
    const { part, rest } = slowPace(100).cut({ ...batch, events })
    expect(part.events.length).toBeGreaterThan(0)
    expect([...part.events, ...(rest?.events ?? [])]).toEqual(events)
    for (const { event: kept } of rest?.events ?? []) expect(kept.position > part.through).toBe(true)
  }
})

test('nothing is cut from a batch that is small enough, or is one commit', () => {
  const small = batchOf(40, 50)
  expect(slowPace(100).cut(small)).toEqual({ part: small, rest: null })
  const one = batchOf(5_000)
  expect(slowPace(100).cut(one)).toEqual({ part: one, rest: null })
  const empty = batchOf()
  expect(slowPace(100).cut(empty)).toEqual({ part: empty, rest: null })
})

test('a service that is fast again gets more with each transaction', () => {
  const pace = slowPace(100)
  for (const [applied, allowed] of [
    [100, 200],
    [200, 400],
    [400, 800],
  ] as const) {
    pace.learn(applied, 20)
    expect(pace.cut(batchOf(...Array<number>(5_000).fill(1))).part.events).toHaveLength(allowed)
  }
})

test('a transaction of a few events, however quick, does not take away what is known', () => {
  const pace = slowPace(100)
  pace.learn(1, 1)
  expect(pace.cut(batchOf(...Array<number>(5_000).fill(1))).part.events).toHaveLength(100)
})

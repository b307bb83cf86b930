import { type EventDraft, LSN_ZERO, epochMicros, lsnOf, parseUuid } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Batch, BatchQueue, type QueuedChunk } from './batch-queue.ts'

const AT = epochMicros(0n)

function draft(name: string): EventDraft {
  return {
    eventId: parseUuid('11111111-1111-5111-8111-111111111111'),
    eventType: name,
    aggregateType: 'A',
    aggregateId: parseUuid('11111111-1111-5111-8111-111111111111'),
    aggregateKey: null,
    eventData: '{}',
    ordinal: 0,
    correlationId: 'c',
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
  }
}

const STRAGGLER = { migrationId: parseUuid('11111111-1111-5111-8111-111111111111'), key: ['1'], snapshotLsn: lsnOf(9n) }

test('complete commits leave together; the one being read stays until it is complete', () => {
  const queue = new BatchQueue({ batchEventsMax: 10, batchBytesMax: 1000 })
  queue.openCommit(lsnOf(1n), AT)
  queue.add(draft('a'), 10)
  expect(queue.take()).toBeNull()
  expect(queue.closeCommit(lsnOf(2n), [])).toBe(true)
  queue.openCommit(lsnOf(3n), AT)
  queue.add(draft('b'), 10)
  expect(queue.take()).toMatchObject({ events: 1, bytes: 10, commits: 1, endLsn: 2n })
  expect(queue.bytes).toBe(10)
  expect(queue.take()).toBeNull()
})

test('a commit without events is not one for the store; with a straggler it is', () => {
  const queue = new BatchQueue({ batchEventsMax: 10, batchBytesMax: 1000 })
  queue.openCommit(lsnOf(1n), AT)
  expect(queue.closeCommit(lsnOf(2n), [])).toBe(false)
  expect(queue.take()).toBeNull()
  queue.openCommit(lsnOf(3n), AT)
  expect(queue.closeCommit(lsnOf(4n), [STRAGGLER])).toBe(true)
  expect(queue.take()).toMatchObject({ parts: [], stragglers: [STRAGGLER], events: 0, endLsn: 4n })
})

test('a chunk of a backfill keeps its place between the commits, also without events, and is no commit', () => {
  const queue = new BatchQueue({ batchEventsMax: 10, batchBytesMax: 1000 })
  const chunk = (...names: readonly string[]): QueuedChunk => ({
    part: {
      commit: { kind: 'chunk', commitLsn: lsnOf(5n), endLsn: LSN_ZERO, committedAt: AT },
      events: names.map(draft),
      isLast: true,
    },
    bytes: names.length * 10,
    save: () => Promise.resolve(),
    onStored: () => undefined,
  })
  for (const [lsn, name] of [[1n, 'before'] as const, [7n, 'after'] as const]) {
    queue.openCommit(lsnOf(lsn), AT)
    queue.add(draft(name), 10)
    queue.closeCommit(lsnOf(lsn + 1n), [])
    if (lsn === 1n) queue.addChunk(chunk('x', 'y'))
  }
  const batch = queue.take()!
  expect(batch.parts.map((part) => part.events.map((event) => event.eventType))).toEqual([['before'], ['x', 'y'], ['after']])
  expect(batch).toMatchObject({ events: 4, bytes: 40, commits: 2, endLsn: 8n, chunks: [{ bytes: 20 }] })
  expect(queue.bytes).toBe(0)
  queue.addChunk(chunk())
  expect(queue.take()).toMatchObject({ parts: [], events: 0, commits: 0, chunks: [{ bytes: 0 }] })
})

test('a commit that fills a batch leaves in parts, and its last part has the end and an event', () => {
  const queue = new BatchQueue({ batchEventsMax: 3, batchBytesMax: 1000 })
  queue.openCommit(lsnOf(1n), AT)
  for (const name of ['a', 'b', 'c']) queue.add(draft(name), 1)
  expect(queue.isFull).toBe(true)
  const part = queue.take()
  expect(part?.parts).toMatchObject([{ isLast: false, commit: { commitLsn: 1n, endLsn: LSN_ZERO } }])
  expect(part?.events).toBe(2)
  expect([queue.isInsideCommit, queue.isFull]).toEqual([true, false])
  queue.closeCommit(lsnOf(2n), [])
  expect(queue.take()?.parts).toMatchObject([{ isLast: true, commit: { endLsn: 2n }, events: [{ eventType: 'c' }] }])
  expect(queue.isInsideCommit).toBe(false)
})

test('whatever the sizes and whenever it is taken, every event leaves once, in order, and counts go back to nothing', () => {
  const commits = fc.array(fc.array(fc.nat(40), { maxLength: 12 }), { maxLength: 12 })
  fc.assert(
    fc.property(commits, fc.nat(6), fc.integer({ min: 1, max: 90 }), fc.array(fc.boolean()), (sizes, events, bytes, takes) => {
      const queue = new BatchQueue({ batchEventsMax: events + 1, batchBytesMax: bytes })
      const batches: Batch[] = []
      let step = 0
      const mayTake = (): void => {
        const batch = takes[step++ % Math.max(1, takes.length)] === false ? null : queue.take()
        if (batch) batches.push(batch)
      }
      for (const [index, commit] of sizes.entries()) {
        queue.openCommit(lsnOf(BigInt(index * 2)), AT)
        for (const [place, size] of commit.entries()) {
          queue.add(draft(`${index}/${place}`), size)
          mayTake()
        }
        queue.closeCommit(lsnOf(BigInt(index * 2 + 1)), [])
        mayTake()
      }
      for (let batch = queue.take(); batch; batch = queue.take()) batches.push(batch)
      const parts = batches.flatMap((b) => b.parts)
      expect(parts.flatMap((p) => p.events.map((e) => e.eventType))).toEqual(
        sizes.flatMap((commit, index) => commit.map((_, place) => `${index}/${place}`)),
      )
      expect(parts.filter((p) => p.isLast).map((p) => p.commit.endLsn)).toEqual(
        sizes.flatMap((commit, index) => (commit.length > 0 ? [BigInt(index * 2 + 1)] : [])),
      )
      expect(parts.every((p) => p.events.length > 0)).toBe(true)
      expect([queue.bytes, queue.isFull, queue.isInsideCommit]).toEqual([0, false, false])
    }),
  )
})

function raw(message: Buffer) {
  return { kind: message[0]!, bytes: message.length, message }
}

test('one event that fills a batch alone does not stop the stream: the next one is what lets it leave', () => {
  const queue = new BatchQueue({ batchEventsMax: 10, batchBytesMax: 1000 })
  queue.openCommit(lsnOf(1n), AT)
  queue.add(draft('huge'), 5000)
  expect([queue.isFull, queue.take()]).toEqual([false, null])
  queue.add(draft('next'), 1)
  expect(queue.isFull).toBe(true)
  expect(queue.take()?.parts).toMatchObject([{ events: [{ eventType: 'huge' }], isLast: false }])
})

test('a message of an unknown kind leaves with its commit, also where the commit has nothing else', () => {
  const queue = new BatchQueue({ batchEventsMax: 10, batchBytesMax: 1000 })
  queue.openCommit(lsnOf(1n), AT)
  queue.park(raw(Buffer.from('?1')), lsnOf(99n))
  queue.park(raw(Buffer.from('?2')), lsnOf(99n))
  expect(queue.closeCommit(lsnOf(2n), [])).toBe(true)
  queue.park(raw(Buffer.from('?3')), lsnOf(3n))
  expect(queue.take()).toMatchObject({
    parts: [{ events: [], isLast: true, commit: { endLsn: 2n } }],
    parked: [
      { lsn: 1n, place: 0, message: Buffer.from('?1') },
      { lsn: 1n, place: 1, message: Buffer.from('?2') },
      { lsn: 3n, place: 0, message: Buffer.from('?3') },
    ],
    endLsn: 2n,
  })
  expect([queue.bytes, queue.isFull]).toEqual([0, false])
})

test('messages of an unknown kind that fill a batch leave before their commit is complete, and go on counting', () => {
  const queue = new BatchQueue({ batchEventsMax: 10, batchBytesMax: 300 })
  queue.openCommit(lsnOf(1n), AT)
  queue.park(raw(Buffer.alloc(300)), lsnOf(99n))
  expect(queue.take()).toMatchObject({ parts: [{ events: [], isLast: false }], parked: [{ place: 0 }] })
  expect(queue.isInsideCommit).toBe(true)
  queue.park(raw(Buffer.alloc(1)), lsnOf(99n))
  expect(queue.closeCommit(lsnOf(2n), [])).toBe(true)
  expect(queue.take()).toMatchObject({ parts: [{ events: [], isLast: true }], parked: [{ lsn: 1n, place: 1 }] })
  expect([queue.bytes, queue.isFull, queue.isInsideCommit]).toEqual([0, false, false])
})

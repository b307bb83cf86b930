import { type Offset, isSluiceError, offsetOf, partitionName, toJson } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameAssembler, type PartitionStart, type RawBatch } from './frame-assembler.ts'

const EPOCH = '0190aaaa-0000-4000-8000-000000000001'
const LIMITS = { bufferBytesMax: 1_000_000, batchEventsMax: 100, batchBytesMax: 100_000 }

interface Record {
  readonly position: number
  readonly ends: readonly [partition: number, end: number, events: number][]
  readonly commitEnd?: boolean
  readonly epoch?: string
}

function assembler(
  limits: Partial<typeof LIMITS> = {},
  start: readonly (readonly [partition: number, next: number, events: number])[] = [
    [0, 0, 0],
    [1, 0, 0],
  ],
  elsewhere: readonly string[] = [],
): FrameAssembler {
  const places = start.map(([partition, next, events]) => ({
    topic: 'data',
    partition,
    next: offsetOf(next),
    events: BigInt(events),
  }))
  return new FrameAssembler({
    service: 's',
    subscriptions: [{ laneName: 'monolith', controlTopic: 'control', topics: ['data'] }],
    start: new Map<string, (typeof places)[number]>(places.map((p) => [partitionName(p), p satisfies PartitionStart])),
    lanes: new Map(),
    limits: { ...LIMITS, ...limits },
    elsewhere: new Set(elsewhere),
  })
}

function control(target: FrameAssembler, offset: number, record: Record): void {
  const text = toJson({
    lane: 1,
    laneName: 'monolith',
    epoch: record.epoch ?? EPOCH,
    position: String(record.position),
    previous: '0',
    commitEnd: record.commitEnd ?? true,
    link: '1',
    head: '00',
    clusterId: 'c',
    partitions: record.ends.map(([partition, end, events]) => ({
      topic: 'data',
      partition,
      end: String(end),
      events: String(events),
    })),
  })
  target.receive({ topic: 'control', partition: 0 }, [{ offset: offsetOf(offset), value: Buffer.from(text) }])
}

function data(target: FrameAssembler, partition: number, offsets: readonly number[], bytes = 10): void {
  const messages = offsets.map((o) => ({ offset: offsetOf(o), value: Buffer.alloc(bytes) }))
  target.receive({ topic: 'data', partition }, messages)
}

const offsetsOf = (raw: RawBatch | null): Offset[] => raw?.parts.flatMap((p) => p.messages.map((m) => m.offset)) ?? []

test('a frame waits until every partition is where the control record says', () => {
  const target = assembler()
  control(target, 0, {
    position: 3,
    ends: [
      [0, 2, 2],
      [1, 1, 1],
    ],
  })
  data(target, 0, [0, 1])
  expect(target.take(true)).toBeNull()
  expect(target.awaited()).toMatchObject([{ end: { partition: 1, end: 1n }, received: 0n }])
  data(target, 1, [0])
  const raw = target.take(true)
  expect(raw?.record.position).toBe(3n)
  expect(raw?.control.next).toBe(1n)
  expect(offsetsOf(raw)).toEqual([0n, 1n, 0n])
})

test('events beyond the frame stay for the next, whichever came first', () => {
  const target = assembler()
  data(target, 0, [0, 1, 4, 5])
  control(target, 0, { position: 2, ends: [[0, 2, 2]] })
  expect(offsetsOf(target.take(false))).toEqual([0n, 1n])
  control(target, 2, { position: 4, ends: [[0, 6, 4]] })
  expect(offsetsOf(target.take(false))).toEqual([4n, 5n])
})

test('F1: fewer events than the relay counted is an error, also where compaction removed control records', () => {
  const target = assembler()
  data(target, 0, [0, 2, 3])
  control(target, 8, { position: 4, ends: [[0, 4, 4]] })
  expect(() => target.take(false)).toThrow(/1 of 4 events up to offset 4 are no longer there/)
})

test('F1: more events than the relay counted is an error: someone else writes to the topic', () => {
  const target = assembler()
  data(target, 0, [0, 1])
  control(target, 0, { position: 1, ends: [[0, 2, 1]] })
  expect(() => target.take(false)).toThrow(/someone else writes/)
})

test('what another member works on is not waited for; a partition that nobody knows of is', () => {
  const target = assembler({}, [[0, 0, 0]], [partitionName({ topic: 'data', partition: 1 })])
  const ends: Record['ends'] = [
    [0, 2, 2],
    [1, 5, 5],
  ]
  control(target, 0, { position: 7, ends })
  data(target, 0, [0, 1])
  expect(target.take(false)).toMatchObject({ events: 2, parts: [{ partition: 0 }] })
  control(target, 2, { position: 9, ends: [...ends, [2, 2, 2]] })
  expect(target.take(true)).toBeNull()
})

test('F1: a partition that is ahead of a frame gives nothing to it, and is counted by the next that it is not ahead of', () => {
  const ahead = (events: number): FrameAssembler => {
    const target = assembler({}, [
      [0, 0, 0],
      [1, 6, 6],
    ])
    control(target, 0, {
      position: 4,
      ends: [
        [0, 2, 2],
        [1, 2, 2],
      ],
    })
    control(target, 2, {
      position: 10,
      ends: [
        [0, 3, 3],
        [1, 7, events],
      ],
    })
    data(target, 0, [0, 1])
    return target
  }
  const target = ahead(7)
  expect(target.take(false)).toMatchObject({ events: 2, record: { position: 4n } })
  data(target, 0, [2])
  data(target, 1, [6])
  expect(target.take(false)).toMatchObject({ events: 2, record: { position: 10n } })
  const lacking = ahead(8)
  expect(lacking.take(false)?.events).toBe(2)
  data(lacking, 0, [2])
  data(lacking, 1, [6])
  expect(() => lacking.take(false)).toThrow(/no longer there|can not go on/)
})

test('a tombstone moves the offset and counts for nothing', () => {
  const target = assembler()
  target.receive({ topic: 'data', partition: 0 }, [
    { offset: offsetOf(0), value: Buffer.alloc(1) },
    { offset: offsetOf(1), value: null },
    { offset: offsetOf(2), value: Buffer.alloc(1) },
  ])
  control(target, 0, { position: 2, ends: [[0, 3, 2]] })
  expect(offsetsOf(target.take(false))).toEqual([0n, 2n])
})

test('what is delivered twice is taken once', () => {
  const target = assembler()
  data(target, 0, [0, 1])
  data(target, 0, [0, 1, 2])
  control(target, 0, { position: 3, ends: [[0, 3, 3]] })
  control(target, 0, { position: 3, ends: [[0, 3, 3]] })
  expect(offsetsOf(target.take(false))).toEqual([0n, 1n, 2n])
  expect(target.take(true)).toBeNull()
})

test('F3: a batch ends where a source commit ends, unless the commit alone is larger', () => {
  const target = assembler({ batchEventsMax: 4 })
  data(target, 0, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  control(target, 0, { position: 2, ends: [[0, 2, 2]] })
  control(target, 1, { position: 3, ends: [[0, 3, 3]], commitEnd: false })
  expect(target.take(false)?.record.position).toBe(2n)
  expect(target.take(false)).toBeNull()
  control(target, 2, { position: 8, ends: [[0, 8, 8]], commitEnd: false })
  expect(target.take(false)?.record.position).toBe(8n)
})

test('frames without an event of the service are taken only when asked for, all at once', () => {
  const target = assembler()
  control(target, 0, { position: 5, ends: [] })
  control(target, 1, { position: 9, ends: [] })
  expect(target.take(false)).toBeNull()
  expect(target.take(true)?.record.position).toBe(9n)
})

test('another epoch on the topic stops it', () => {
  const target = assembler()
  control(target, 0, { position: 1, ends: [] })
  try {
    control(target, 1, { position: 2, ends: [], epoch: EPOCH.replace('1', '2') })
    expect.unreachable()
  } catch (error) {
    expect(isSluiceError(error, 'KAFKA_AHEAD')).toBe(true)
  }
})

test('F2: a partition that runs ahead is paused; the one that the next frame needs never is', () => {
  const target = assembler({ bufferBytesMax: 300 })
  data(target, 0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  expect(target.flow()).toEqual({ pause: [{ topic: 'data', partition: 0 }], resume: [] })
  control(target, 0, {
    position: 13,
    ends: [
      [0, 13, 13],
      [1, 1, 1],
    ],
  })
  expect(target.flow().resume).toEqual([{ topic: 'data', partition: 0 }])
  data(target, 0, [12])
  data(target, 1, [0])
  expect(offsetsOf(target.take(false))).toHaveLength(14)
  expect(target.heldBytes).toBe(0)
})

test('F2: what a slow service does not take stays bounded, however many frames are complete; once it takes, it gets all', () => {
  const bufferBytesMax = 4_000
  const target = assembler({ bufferBytesMax, batchEventsMax: 5 })
  const frames = 500
  const feeds = feedsOf(Array.from({ length: frames }, (): [number, number] => [2, 1]))
  const paused = new Set<string>()
  const fetchAll = (): void => {
    for (let isAnyReady = true; isAnyReady;) {
      isAnyReady = false
      for (const { name, send } of feeds) {
        if (paused.has(name) || send.length === 0) continue
        isAnyReady = true
        send.shift()!(target)
        const { pause, resume } = target.flow()
        for (const p of pause) paused.add(partitionName(p))
        for (const p of resume) paused.delete(partitionName(p))
        // A message or record may come on top before it is paused.
        expect(target.heldBytes).toBeLessThan(bufferBytesMax + 1_000)
      }
    }
  }
  fetchAll()
  expect(feeds.some(({ send }) => send.length > 0)).toBe(true)
  let applied = 0
  for (let raw = target.take(false); raw; raw = target.take(false)) {
    applied += raw.events
    for (const p of target.flow().resume) paused.delete(partitionName(p))
    fetchAll()
  }
  expect(applied).toBe(frames * 3)
})

test('whatever the order of arrival, the same frames come out and nothing stays paused for ever', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 15 }),
      fc.integer(),
      (frames, seed) => {
        const target = assembler({ bufferBytesMax: 120, batchEventsMax: 5 })
        const feeds = feedsOf(frames)
        const paused = new Set<string>()
        let state = seed
        let applied = 0
        const total = frames.reduce((sum, [a, b]) => sum + a + b, 0)
        while (feeds.some((f) => f.send.length > 0)) {
          const ready = feeds.filter((f) => f.send.length > 0 && !paused.has(f.name))
          // If nothing may be fetched and nothing can be taken, it would wait for ever.
          expect(ready.length).toBeGreaterThan(0)
          state = Math.imul(state, 1664525) + 1013904223
          ready[(state >>> 8) % ready.length]!.send.shift()!(target)
          for (let raw = target.take(true); raw; raw = target.take(true)) applied += raw.events
          const { pause, resume } = target.flow()
          for (const p of pause) paused.add(partitionName(p))
          for (const p of resume) paused.delete(partitionName(p))
        }
        expect(applied).toBe(total)
      },
    ),
  )
})

interface Feed {
  readonly name: string
  readonly send: ((target: FrameAssembler) => void)[]
}

/** Each frame has so many events in partition 0 and 1; markers leave gaps behind them. */
function feedsOf(frames: readonly (readonly [number, number])[]): readonly Feed[] {
  const feeds: Feed[] = [0, 1].map((p) => ({ name: partitionName({ topic: 'data', partition: p }), send: [] }))
  const records: Feed = { name: partitionName({ topic: 'control', partition: 0 }), send: [] }
  const offset = [0, 0]
  const end = [0, 0]
  const events = [0, 0]
  let position = 0
  for (const [index, frame] of frames.entries()) {
    for (const partition of [0, 1]) {
      for (let i = 0; i < frame[partition]!; i++) {
        const at = offset[partition]!++
        feeds[partition]!.send.push((target) => {
          data(target, partition, [at], 30)
        })
        end[partition] = at + 1
        events[partition]! += 1
        position += 1
      }
      if (frame[partition]! > 0) offset[partition]! += 1
    }
    const ends: Record['ends'] = [
      [0, end[0]!, events[0]!],
      [1, end[1]!, events[1]!],
    ]
    const reached = position
    records.send.push((target) => {
      control(target, index * 2, { position: reached, ends })
    })
  }
  return [...feeds, records]
}

test('a service that is far behind does not look at every record that waits with each fetch', () => {
  const target = assembler({ batchEventsMax: 10 })
  const records = 8_000
  for (let n = 1; n <= records; n += 1) {
    control(target, n - 1, {
      position: n,
      ends: [
        [0, n, n],
        [1, 0, 0],
      ],
    })
    data(target, 0, [n - 1], 1)
    // What a fetch does; were each record looked at, this would be some ten million looks, and the test would not end in time.
    target.flow()
  }
  let events = 0
  for (let raw = target.take(false); raw; raw = target.take(false)) events += raw.events
  expect(events).toBe(records)
})

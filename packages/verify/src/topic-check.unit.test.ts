import { SluiceError, laneId, offsetOf } from '@sluice/core'
import type { IncomingMessage, KafkaPort } from '@sluice/kafka'
import { type ProjectedEvent, type SystemDefinition, bigint, defineSystem, lanesOf, mapTable, table, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import type { AskStore } from './object-event.ts'
import { checkTopic } from './topic-check.ts'
import type { TopicReport } from './verify-report.ts'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('board.notices'),
  columns: { id: bigint() },
})
const system: SystemDefinition = defineSystem({
  name: 'board',
  avroSchemas: new URL('file:///none/'),
  monolith: { tables: [notices] },
  services: { shop: { migrations: new URL('file:///none/'), projections: [mapTable(notices, { into: 'notices' })] } },
})

/** Events 1 to 6, in partitions by their position; number 4 is a truncate, in both. */
const STORED = [1, 2, 3, 4, 5, 6]
const WHOLE: readonly (readonly number[])[] = [
  [1, 3, 4, 5],
  [2, 4, 6],
]

interface Topic {
  readonly partitions: readonly (readonly number[])[]
  /** Whether retention took messages from the begin of each partition. */
  readonly isCut?: readonly boolean[]
  readonly config?: Record<string, string>
  readonly parked?: readonly number[]
  readonly publishedLate?: readonly number[]
  /** Version of the event at this position in the topic. @default 1 */
  readonly versions?: Record<number, number>
}

function eventOf(position: number, version = 1): Pick<ProjectedEvent, 'eventId' | 'lane' | 'position' | 'version'> {
  return { eventId: `event-${position}`, lane: 1, position: BigInt(position), version }
}

async function check({
  partitions,
  isCut = [],
  config = {},
  parked = [],
  publishedLate = [],
  versions = {},
}: Topic): Promise<TopicReport> {
  const ask: AskStore = <Row extends object>(text: string, values: readonly unknown[]) => {
    const after = Number(values[1])
    const rows = text.includes('relay_parked_events')
      ? [...parked.map((n) => [n, false] as const), ...publishedLate.map((n) => [n, true] as const)].map(([n, isPublished]) => ({
          id: `event-${n}`,
          isPublished,
        }))
      : STORED.filter((n) => n > after).map((n) => ({ position: String(n), id: `event-${n}`, version: 1 }))
    return Promise.resolve(rows as unknown as Row[])
  }
  const readPartition = async function* (_topic: string, partition: number): AsyncGenerator<IncomingMessage, void> {
    for (const [i, position] of partitions[partition]!.entries()) {
      const value = position === 0 ? Buffer.from('nonsense') : Buffer.from(String(position))
      yield await Promise.resolve({ offset: offsetOf(BigInt(i)), key: null, value, headers: {}, timestampMs: 0 })
    }
  }
  const unused = (): never => {
    throw new Error('only read')
  }
  const kafka: KafkaPort = { admin: unused, transactionalProducer: unused, groupConsumer: unused, readPartition }
  return checkTopic({
    ask,
    kafka,
    admin: {
      offsets: () =>
        Promise.resolve(
          partitions.map((messages, partition) => {
            const low = isCut[partition] === true ? 5n : 0n
            return { partition, low: offsetOf(low), high: offsetOf(low + BigInt(messages.length)) }
          }),
        ),
      topicConfig: () => Promise.resolve(config),
    },
    decoder: {
      decode: (value) => {
        const position = Number(value.toString())
        if (Number.isNaN(position)) throw new SluiceError('EVENT_NOT_DECODABLE', { what: 'no event', why: 'nonsense', ways: [] })
        return eventOf(position, versions[position]) as ProjectedEvent
      },
    },
    lane: lanesOf(system)[0]!,
    laneId: laneId(1),
    topic: 'board.notices',
    through: 6n,
    storeBegins: 0n,
    onMessages: () => undefined,
    signal: new AbortController().signal,
  })
}

test('a topic that has every event once, in order, is equal; a truncate is one event in all partitions', async () => {
  expect(await check({ partitions: WHOLE })).toMatchObject({
    status: 'equal',
    events: 6,
    messages: 7,
    missing: 0,
    extra: 0,
    outOfOrder: 0,
    note: null,
  })
})

test('what came after the last control record does not count', async () => {
  expect(
    await check({
      partitions: [
        [1, 3, 4, 5, 7],
        [2, 4, 6],
      ],
    }),
  ).toMatchObject({ status: 'equal', messages: 7 })
})

test.each<[string, readonly (readonly number[])[], object]>([
  [
    'a message that is missing',
    [
      [1, 4, 5],
      [2, 4, 6],
    ],
    { missing: 1, examples: [{ kind: 'missing', key: ['event-3'] }] },
  ],
  [
    'messages that are missing at the end',
    [
      [1, 3, 4],
      [2, 4],
    ],
    { missing: 2 },
  ],
  ['an empty topic', [[], []], { missing: 6, messages: 0 }],
  [
    'a message that is there twice',
    [
      [1, 3, 3, 4, 5],
      [2, 4, 6],
    ],
    { extra: 1, examples: [{ kind: 'extra', key: ['event-3'] }] },
  ],
  [
    'a message that comes again later',
    [
      [1, 3, 4, 5, 1],
      [2, 4, 6],
    ],
    { extra: 1, outOfOrder: 1, missing: 0 },
  ],
  [
    'messages of a key in another order',
    [
      [3, 1, 4, 5],
      [2, 4, 6],
    ],
    { missing: 0, extra: 0, outOfOrder: 1 },
  ],
  [
    'what is no event of the system',
    [
      [1, 0, 3, 4, 5],
      [2, 4, 6],
    ],
    { extra: 1 },
  ],
])('told is %s', async (_what, partitions, expected) => {
  expect(await check({ partitions })).toMatchObject({ status: 'different', ...expected })
})

test('an event under another version than in the event store is told', async () => {
  expect(await check({ partitions: WHOLE, versions: { 5: 3 } })).toMatchObject({
    status: 'different',
    different: 1,
    examples: [{ key: ['event-5'], columns: ['version'] }],
  })
})

test('what the relay parked is not missing, and what it published late is not out of order', async () => {
  const partitions = [
    [1, 4, 5],
    [2, 4, 6],
  ]
  expect(await check({ partitions, parked: [3] })).toMatchObject({ status: 'equal', missing: 0 })
  expect(
    await check({
      partitions: [
        [1, 4, 5, 3],
        [2, 4, 6],
      ],
      publishedLate: [3],
    }),
  ).toMatchObject({ status: 'equal', outOfOrder: 0 })
})

test('where retention or compaction removed messages, the rest is compared, and the report says so', async () => {
  const cut = await check({ partitions: [[5], [2, 4, 6]], isCut: [true, false] })
  expect(cut).toMatchObject({ status: 'equal', messages: 4, note: 'retention: compared after position 4' })
  const short = await check({ partitions: [[5], [2, 4]], isCut: [true, false] })
  expect(short).toMatchObject({ status: 'different', missing: 1 })
  const compacted = await check({ partitions: [[5], [6]], config: { 'cleanup.policy': 'compact,delete' } })
  expect(compacted).toMatchObject({ status: 'equal', note: expect.stringContaining('compacted') as string })
})

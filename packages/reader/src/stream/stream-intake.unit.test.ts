import { setImmediate as turn } from 'node:timers/promises'
import { type Lsn, aggregateName, isSluiceError, lsnOf, parseUuid } from '@sluice/core'
import { expect, test } from 'vitest'
import {
  ORDERS,
  SAMPLES,
  STREAM_STOP,
  bytes,
  insertOf,
  messageOf,
  streamAbort,
  streamCommit,
  streamStart,
  streamed,
} from '../../../pgoutput/test/message-bytes.ts'
import { type Batch, BatchQueue, type BatchLimits } from '../lane/batch-queue.ts'
import { SourceTypes } from '../source/source-types.ts'
import { StreamIntake } from './stream-intake.ts'
import { TransactionAssembler } from '../assembly/transaction-assembler.ts'
import { TransactionSpool } from '../spool/transaction-spool.ts'

const EPOCH = parseUuid('11111111-1111-4111-8111-111111111111')
const BEGIN = Buffer.concat([bytes.letter('B'), bytes.u64(20n), bytes.u64(1n), bytes.i32(9)])
const COMMIT = Buffer.concat([bytes.letter('C'), bytes.u8(0), bytes.u64(20n), bytes.u64(21n), bytes.u64(1n)])
const UNKNOWN = Buffer.from('~what is this')

interface Intake {
  readonly intake: StreamIntake
  readonly queue: BatchQueue
  readonly spool: TransactionSpool
  readonly doubtful: Lsn[]
  readonly failed: unknown[]
  readonly take: (...messages: readonly Buffer[]) => void
  /** Everything, taken as the writer does until nothing more comes; each event as `commit LSN/ordinal:name`. */
  readonly drained: () => Promise<readonly string[]>
}

/** Rows are events whose name is the first column; so no table needs to be bound. */
function openIntake(limits: Partial<BatchLimits> = {}, keepsUnknown = true): Intake {
  const queue = new BatchQueue({ batchEventsMax: 1_000, batchBytesMax: 1_000_000, ...limits })
  const spool = new TransactionSpool({ spoolFolder: null, spoolBytesMax: 1_000_000 })
  const doubtful: Lsn[] = []
  const failed: unknown[] = []
  const assembler = new TransactionAssembler({
    epoch: EPOCH,
    sourceEpoch: EPOCH,
    types: new SourceTypes([]),
    bind: () => ({
      kind: 'outbox',
      read: ([name]) => ({
        eventType: String(name),
        aggregateType: 'A',
        aggregate: aggregateName(['1']),
        eventData: '{}',
        context: {},
      }),
    }),
    sink: queue,
    loadedPart: null,
    watch: null,
    onEmptyCommit: () => undefined,
    onContextRefused: () => undefined,
    keepsUnknown,
    onUnknown: () => undefined,
  })
  const intake = new StreamIntake({
    assembler,
    queue,
    spool,
    onWork: () => undefined,
    onDoubtful: (lsn) => doubtful.push(lsn),
    onFailed: (error) => failed.push(error),
  })
  let walStart = 0x77
  return {
    intake,
    queue,
    spool,
    doubtful,
    failed,
    take: (...messages) => {
      for (const message of messages) {
        const lying = Buffer.from(message)
        intake.take(lying, `0/${(walStart++).toString(16)}`)
        // pg uses the bytes again.
        lying.fill(0xff)
      }
    },
    drained: async () => {
      const names: string[] = []
      for (let idle = 0; idle < 20; idle += 1) {
        const batch = queue.take()
        if (batch) {
          idle = 0
          names.push(...namesOf(batch))
          intake.hasRoom()
        }
        await turn()
      }
      return names
    },
  }
}

function namesOf({ parts, parked }: Batch): readonly string[] {
  return [
    ...parts.flatMap(({ commit, events }) => events.map((e) => `${commit.commitLsn}/${e.ordinal}:${e.eventType}`)),
    ...parked.map((p) => `parked ${p.lsn}/${p.place}:${p.message?.toString() ?? `${p.kind} of ${p.bytes} bytes`}`),
  ]
}

function row(name: string): Buffer {
  return insertOf(ORDERS, [name, null, null])
}

const RELATION = bytes.relation(ORDERS)

test('a streamed transaction counts when it commits: after those that committed before, with its own ordinals', async () => {
  const { take, drained } = openIntake()
  take(streamStart(5, true), streamed(5, RELATION), streamed(5, row('a')), streamed(6, row('b')), STREAM_STOP)
  take(BEGIN, RELATION, row('before'), COMMIT)
  take(streamStart(5, false), streamed(7, row('gone')), STREAM_STOP, streamAbort(5, 7))
  take(streamStart(5, false), streamed(5, row('c')), STREAM_STOP, streamCommit(5))
  expect(await drained()).toEqual(['20/0:before', '7/0:a', '7/1:b', '7/2:c'])
})

test('what comes in the same packet as a commit of a streamed transaction is handled after it, and knows its relations', async () => {
  const { take, drained, intake } = openIntake()
  take(streamStart(5, true), streamed(5, RELATION), streamed(5, row('a')), STREAM_STOP)
  take(streamStart(8, true), streamed(8, RELATION), streamed(8, row('second')), STREAM_STOP)
  take(streamCommit(5), BEGIN, row('next'), COMMIT, streamCommit(8))
  expect([intake.isBusy, intake.isBetweenCommits]).toEqual([true, false])
  expect(await drained()).toEqual(['7/0:a', '20/0:next', '7/0:second'])
  expect([intake.isBusy, intake.isBetweenCommits]).toEqual([false, true])
})

test('a transaction that is rolled back leaves nothing: no event, no relation, no file', async () => {
  const { take, drained, spool, intake } = openIntake()
  take(streamStart(5, true), streamed(5, RELATION), streamed(5, row('gone'.repeat(100_000))), STREAM_STOP)
  take(streamStart(6, true), streamed(6, RELATION), streamed(6, row('kept'.repeat(100_000))), STREAM_STOP)
  expect(spool.transactions).toBe(2)
  take(streamAbort(5, 5), streamAbort(6, 6))
  expect([spool.transactions, spool.bytes]).toEqual([0, 0])
  expect(await drained()).toEqual([])
  expect(() => {
    intake.take(BEGIN, '0/1')
    intake.take(row('of an unknown relation'), '0/1')
  }).toThrow('was not described')
})

test('a replay waits for the store: no more than a batch and an event is in memory, and a stop ends it where it stands', async () => {
  const { take, queue, intake, spool } = openIntake({ batchEventsMax: 10 })
  take(streamStart(5, true), streamed(5, RELATION))
  for (let i = 0; i < 100; i += 1) take(streamed(5, row(String(i))))
  take(STREAM_STOP, streamCommit(5))
  for (let i = 0; i < 50; i += 1) await turn()
  expect(queue.isFull).toBe(true)
  const names: string[] = []
  for (let i = 0; i < 3; i += 1) {
    const batch = queue.take()!
    expect(batch.events).toBeLessThanOrEqual(10)
    names.push(...namesOf(batch))
    intake.hasRoom()
    await turn()
    await turn()
  }
  expect(names).toEqual(Array.from({ length: names.length }, (_, i) => `7/${i}:${i}`))
  await intake.stop()
  expect(intake.isBusy).toBe(true)
  spool.close()
})

test('messages of an unknown kind are parked with their commit, or under their own place; the stream goes on', async () => {
  const { take, drained } = openIntake()
  take(UNKNOWN)
  take(BEGIN, RELATION, row('a'), UNKNOWN, UNKNOWN, COMMIT)
  take(streamStart(5, true), UNKNOWN, streamed(5, row('b')), STREAM_STOP, streamCommit(5))
  take(streamStart(6, true), UNKNOWN, STREAM_STOP, streamAbort(6, 6))
  expect(await drained()).toEqual([
    '20/0:a',
    `parked 119/0:${UNKNOWN.toString()}`,
    `parked 20/0:${UNKNOWN.toString()}`,
    `parked 20/1:${UNKNOWN.toString()}`,
    '7/0:b',
    `parked 7/0:${UNKNOWN.toString()}`,
  ])
})

test('of a message of an unknown kind that may hold private values only kind and size are kept', async () => {
  const { take, drained } = openIntake({}, false)
  take(BEGIN, UNKNOWN, COMMIT)
  expect(await drained()).toEqual([`parked 20/0:${UNKNOWN[0]} of ${UNKNOWN.length} bytes`])
})

test('a transaction with a doubtful message is not handed on; everything after it is left for the next reading', async () => {
  const { take, drained, doubtful, intake } = openIntake()
  take(BEGIN, RELATION, row('before'), COMMIT)
  take(streamStart(5, true), streamed(5, RELATION), streamed(5, messageOf('sluice.context', '{}')))
  take(streamed(6, row('gone')), STREAM_STOP, streamAbort(5, 6))
  take(streamStart(5, false), streamed(5, row('kept')), STREAM_STOP, streamCommit(5), BEGIN, row('later'), COMMIT)
  expect(await drained()).toEqual(['20/0:before'])
  expect(doubtful).toEqual([lsnOf(9n)])
  take(BEGIN, row('later'), COMMIT)
  expect(await drained()).toEqual([])
  expect(intake.isBusy).toBe(true)
})

test('what can not be: a transaction without its beginning, one that is prepared, and a spool that is full', async () => {
  const { take, spool } = openIntake()
  expect(() => {
    take(streamStart(5, false))
  }).toThrow('its first stretch did not come')
  const prepared = openIntake()
  prepared.take(RELATION)
  expect(() => {
    prepared.take(SAMPLES.find((sample) => sample.toString('latin1', 0, 1) === 'b')!)
  }).toThrow('the reader does not ask for two_phase')
  const full = openIntake()
  full.take(streamStart(5, true), streamed(5, RELATION))
  try {
    for (let i = 0; i < 100; i += 1) full.take(streamed(5, row('x'.repeat(50_000))))
    expect.unreachable()
  } catch (error) {
    expect(isSluiceError(error, 'SPOOL_FULL')).toBe(true)
  }
  const lost = openIntake()
  lost.take(streamCommit(5))
  await lost.drained()
  expect(lost.failed).toMatchObject([{ code: 'PROTOCOL_MESSAGE_INVALID' }])
  spool.close()
})

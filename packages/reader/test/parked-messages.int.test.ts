/** Unknown messages are parked raw and reported; they never loop. No server sends one, so a stream is made here. */
import { epochMicros, lsnOf, silentLogger } from '@sluice/core'
import { countParkedMessages, createEventAppender, getLane, verifyChain } from '@sluice/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchQueue } from '../src/lane/batch-queue.ts'
import { LaneWriter } from '../src/lane/lane-writer.ts'
import { READER_LIMITS } from '../src/reader-limits.ts'
import { type ReaderFixture, SYSTEM, openReaderFixture } from './reader-fixture.ts'

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('reader parked')
  const reader = shop.start()
  await reader.next('connected')
  await shop.caughtUp(reader)
  await reader.stop()
})
afterEach(async () => {
  await shop.close()
})

const UNKNOWN = { kind: 0x7e, bytes: 3, message: Buffer.from('~?!') }

async function parked(): Promise<readonly unknown[]> {
  const { rows } = await shop.store.query<object>(
    'SELECT lsn::text, place, kind, bytes, message FROM parked_messages ORDER BY parked_messages.lsn, place',
  )
  return rows
}

test('an unknown message is recorded in the transaction that moves the position past it, once', async () => {
  const before = await getLane(shop.store, SYSTEM.name, shop.lane.name)
  const appender = await createEventAppender({
    target: shop.pipelineTarget,
    lane: before,
    serviceName: 'test',
    logger: silentLogger,
  })
  const queue = new BatchQueue(READER_LIMITS)
  const writer = new LaneWriter({
    lane: before.lane,
    appender,
    queue,
    keepaliveIntervalMs: 1,
    onRoom: () => undefined,
    onProgress: () => undefined,
  })
  const lsn = lsnOf(before.storedLsn + 2n ** 40n)
  const alone = lsnOf(before.storedLsn + 2n ** 39n)
  const end = lsnOf(lsn + 100n)
  queue.park(UNKNOWN, alone)
  queue.openCommit(lsn, epochMicros(0n))
  queue.park(UNKNOWN, lsn)
  queue.park({ ...UNKNOWN, message: null }, lsn)
  queue.closeCommit(end, [])
  // The stream came to it twice: a restart between the record and the position of one between commits.
  queue.park(UNKNOWN, alone)
  await writer.drain()
  const format = (value: bigint): string => `${(value >> 32n).toString(16)}/${(value & 0xffffffffn).toString(16)}`.toUpperCase()
  expect(await parked()).toEqual([
    { lsn: format(alone), place: 0, ...UNKNOWN },
    { lsn: format(lsn), place: 0, ...UNKNOWN },
    { lsn: format(lsn), place: 1, kind: UNKNOWN.kind, bytes: UNKNOWN.bytes, message: null },
  ])
  expect(await countParkedMessages(shop.store, before.lane)).toEqual({ messages: 3, kinds: ['~'] })
  const after = await getLane(shop.store, SYSTEM.name, shop.lane.name)
  expect([after.storedLsn, after.position, after.link]).toEqual([end, before.position, before.link])
  expect(await verifyChain(shop.pipelineTarget, after)).toMatchObject({ isWhole: true })
  await appender.close()
})

/** Promise 4, under faults that nobody tells: a connection that is silent, and a clock that steps. */
import { isSluiceError } from '@sluice/core'
import { postgresTarget } from '@sluice/postgres'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TcpProxy } from '../../../test/harness/tcp-proxy.ts'
import { type ReaderFixture, openReaderFixture } from './reader-fixture.ts'

const HALF_A_DAY_MS = 12 * 60 * 60 * 1000

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('reader unsteady source')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await shop.close()
})

test('a connection that stays open and says nothing any more counts as lost, and the next start goes on', async () => {
  const url = new URL(shop.sourceUrl)
  await using proxy = await TcpProxy.start({ host: url.hostname, port: Number(url.port) })
  url.host = `127.0.0.1:${proxy.port}`
  const source = postgresTarget('monolith', url.toString())
  const reader = shop.start({ source, limits: { silenceMs: 500 } })
  await reader.next('connected')
  proxy.stall()
  await expect(reader.done).rejects.toSatisfy((e) => isSluiceError(e, 'REPLICATION_LOST') && e.retry === 'restart')
  await shop.source.query(`INSERT INTO customers VALUES (1, 'n', NULL)`)
  proxy.pass()
  await shop.slotIsFree()
  const next = shop.start({ source })
  await next.next('connected')
  await shop.caughtUp(next)
  expect(await shop.events()).toHaveLength(1)
  await next.stop()
})

test('a wall clock that steps back half a day stops neither feedback nor the positions of an idle source', async () => {
  const reader = shop.start()
  await reader.next('keepalive')
  const truth = Date.now.bind(Date)
  vi.spyOn(Date, 'now').mockImplementation(() => truth() - HALF_A_DAY_MS)
  const before = await shop.durableLsn()
  for (let i = 0; i < 3; i += 1) {
    await shop.source.query(`INSERT INTO unwatched VALUES (${i}, 'n')`)
    await shop.caughtUp(reader)
    await reader.next('keepalive')
  }
  const durable = await shop.durableLsn()
  expect(durable).toBeGreaterThan(before)
  await reader.next('feedback', (p) => p.lsn >= durable)
  await reader.stop()
})

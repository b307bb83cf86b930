/** Prints rates of the store alone; what is asserted is that everything is there. The figures depend on the machine. */
import { positionNumber, silentLogger } from '@sluice/core'
import { createEventReader, verifyChain } from '@sluice/store'
import { afterAll, beforeAll, test, expect } from 'vitest'
import { type StoreFixture, commit, openStoreFixture } from './store-fixture.ts'

const EVENTS = 60_000
const BATCH = 5_000

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store throughput')
})
afterAll(async () => {
  await store.close()
})

function rate(label: string, events: number, begun: number): void {
  const perSecond = Math.round((events / (performance.now() - begun)) * 1000)
  process.stdout.write(`store: ${label.padEnd(24)} ${perSecond.toLocaleString('en').padStart(9)} events/s\n`)
}

test('appends, reads and verifies', async () => {
  const lane = await store.lane()
  const eventData = JSON.stringify({ op: 'c', after: { id: '1', title: 'x'.repeat(240), amount: '12.50', gone: null } })
  const batches = Array.from({ length: EVENTS / BATCH }, (_, i) => [commit(lane, i + 1, BATCH, { eventData })])
  const appender = await store.appender(lane)
  let begun = performance.now()
  for (const batch of batches) await appender.append(batch)
  rate('append, 300 B', EVENTS, begun)
  await appender.close()

  const reader = createEventReader(store.target, { logger: silentLogger })
  begun = performance.now()
  let read = 0
  while (read < EVENTS) {
    read += (await reader.events(lane.lane, positionNumber(read), positionNumber(read + BATCH), { bytesMax: 8_000_000 })).length
  }
  rate('read', read, begun)
  await reader.close()

  begun = performance.now()
  const report = await verifyChain(store.target, lane)
  rate('verify the chain', EVENTS, begun)
  expect(report).toMatchObject({ isWhole: true, events: BigInt(EVENTS) })
  expect(read).toBe(EVENTS)
})

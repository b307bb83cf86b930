/** Prints rates of the store alone; what is asserted is that everything is there. The figures depend on the machine. */
import { positionNumber, silentLogger } from '@sluice/core'
import { createEventReader, verifyChain } from '@sluice/store'
import { afterAll, beforeAll, test, expect } from 'vitest'
import { type StoreFixture, commit, openStoreFixture, uuidNumber } from './store-fixture.ts'

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

/** Of 10,000 rows with a value of 4,000 characters each; the updates leave it untouched or have it in the event. */
test.each([0, 1, 50, 100])(
  'appends updates, of which %i %% came without their large value',
  async (percent) => {
    const rows = 10_000
    const updates = 30_000
    const lane = await store.lane()
    const type = `Row${percent}`
    const value = 'v'.repeat(4000)
    const event = (eventData: string, row: number, isUnsent: boolean) => ({
      aggregateType: type,
      aggregateId: uuidNumber(row),
      eventData,
      ...(isUnsent ? { update: { unsent: ['body'], movedTo: null, tableAggregateId: uuidNumber(rows) } } : {}),
    })
    const part = (n: number, make: (i: number) => ReturnType<typeof event>) => {
      const whole = commit(lane, n, BATCH)
      return { ...whole, events: whole.events.map((e, i) => ({ ...e, ...make((n - 1) * BATCH + i) })) }
    }
    const appender = await store.appender(lane)
    const inserts = JSON.stringify({ op: 'c', after: { id: '1', body: value } })
    for (let n = 1; n <= rows / BATCH; n++) await appender.append([part(n, (i) => event(inserts, i % rows, false))])
    const short = JSON.stringify({ op: 'u', after: { id: '1', title: 'x'.repeat(240) } })
    const whole = JSON.stringify({ op: 'u', after: { id: '1', title: 'x'.repeat(240), body: value } })
    const begun = performance.now()
    for (let n = rows / BATCH + 1; n <= (rows + updates) / BATCH; n++) {
      await appender.append([
        part(n, (i) => {
          const isUnsent = i % 100 < percent
          return event(isUnsent ? short : whole, (i * 7) % rows, isUnsent)
        }),
      ])
    }
    rate(`${percent} % unsent, 4 KB`, updates, begun)
    await appender.close()
    const { rows: found } = await store.client.query<{ n: string }>(
      `SELECT count(*)::text AS n FROM event_store WHERE lane = $1 AND event_data #>> '{after,body}' = $2`,
      [lane.lane, value],
    )
    expect(found[0]?.n).toBe(String(rows + updates))
  },
  120_000,
)

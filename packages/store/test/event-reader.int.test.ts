import { isSluiceError, laneId, lsnOf, positionNumber, silentLogger } from '@sluice/core'
import { type EventReader, createEventReader, relayProgress, restoreRelayProgress, dropEventsBelow } from '@sluice/store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type StoreFixture, commit, commitInfo, draft, openStoreFixture } from './store-fixture.ts'

let store: StoreFixture
let reader: EventReader
beforeAll(async () => {
  store = await openStoreFixture('store reader')
  reader = createEventReader(store.target, { logger: silentLogger })
})
afterAll(async () => {
  await reader.close()
  await store.close()
})

describe('commits', () => {
  test('come in order, from the one a position lies in, at most as many as asked for', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1, 3), commit(lane, 2, 2), commit(lane, 3, 1)])
    await appender.close()
    const commits = await reader.commitsAfter(lane.lane, positionNumber(1), 2)
    expect(commits).toMatchObject([
      { link: 1n, first: 1n, last: 3n, ...commitInfo(1) },
      { link: 2n, first: 4n, last: 5n, ...commitInfo(2) },
    ])
    expect((await reader.commitsAfter(lane.lane, positionNumber(5), 10))[0]).toMatchObject({
      link: 3n,
      hash: (await store.reload(lane)).head.toString('hex'),
    })
    expect(await reader.commitsAfter(lane.lane, positionNumber(6), 10)).toEqual([])
  })

  test('tell the last position below an LSN', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1, 3), commit(lane, 2, 2)])
    await appender.close()
    const below = (lsn: bigint) => reader.positionBelow(lane.lane, lsnOf(lsn))
    expect([await below(1000n), await below(1001n), await below(2000n), await below(9999n)]).toEqual([0n, 3n, 3n, 5n])
  })
})

describe('events', () => {
  test('come for a stretch of positions', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1, 10), commit(lane, 2, 10)])
    await appender.close()
    const events = await reader.events(lane.lane, positionNumber(8), positionNumber(12))
    expect(events.map((e) => [e.position, e.commitLsn, e.ordinal])).toEqual([
      [9n, 1000n, 8],
      [10n, 1000n, 9],
      [11n, 2000n, 0],
      [12n, 2000n, 1],
    ])
  })

  test('are bounded in bytes, at least one, so that the caller asks again', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    const large = JSON.stringify({ op: 'c', after: { text: 'x'.repeat(50_000) } })
    const events = Array.from({ length: 5000 }, (_, i) => draft(lane, 1, i, i % 1000 === 0 ? { eventData: large } : {}))
    await appender.append([{ commit: commitInfo(1), events, isLast: true }])
    await appender.close()
    let after = positionNumber(0)
    const sizes: number[] = []
    while (after < 5000n) {
      const some = await reader.events(lane.lane, after, positionNumber(5000), { bytesMax: 300_000 })
      const bytes = some.reduce((sum, e) => sum + e.eventData.length, 0)
      expect(bytes).toBeLessThan(300_000)
      expect(some[0]!.position).toBe(after + 1n)
      sizes.push(some.length)
      after = some.at(-1)!.position
    }
    expect(sizes.reduce((a, b) => a + b)).toBe(5000)
    expect(sizes.length).toBeGreaterThan(3)
    const one = await reader.events(lane.lane, positionNumber(0), positionNumber(5000), { bytesMax: 10 })
    expect(one).toHaveLength(1)
  })

  test('that are not there are an error, never a gap', async () => {
    const lane = await store.lane({ partitionEvents: 10 })
    const appender = await store.appender(lane, { partitionEvents: 10 })
    await appender.append([commit(lane, 1, 30)])
    await appender.close()
    const missing = (after: number, through: number) =>
      reader.events(lane.lane, positionNumber(after), positionNumber(through)).catch((error: unknown) => error)
    const beyond = await missing(20, 40)
    expect(isSluiceError(beyond, 'STORE_EVENT_MISSING') && beyond.why).toContain('positions 31 to 40')
    await store.pool.query('DELETE FROM event_store WHERE lane = $1 AND position = 15', [lane.lane])
    const hole = await missing(10, 20)
    expect(isSluiceError(hole, 'STORE_EVENT_MISSING') && hole.why).toContain('positions 15 to 15')
    const { client } = store
    await restoreRelayProgress(client, { lane: lane.lane, position: positionNumber(30), clusterId: 'c' })
    expect(await relayProgress(client, lane.lane)).toMatchObject({ position: 30n, clusterId: 'c' })
    await dropEventsBelow(store.target, lane.lane, positionNumber(12))
    expect(isSluiceError(await missing(0, 20), 'STORE_EVENT_MISSING')).toBe(true)
    // The connection that was in the middle of a COPY is not used again.
    expect(await reader.events(lane.lane, positionNumber(20), positionNumber(30))).toHaveLength(10)
  })
})

describe('waiting', () => {
  test('ends with a commit, long before the poll', async () => {
    const lane = await store.lane()
    const slow = createEventReader(store.target, { logger: silentLogger, pollIntervalMs: 60_000 })
    const appender = await store.appender(lane)
    let woken = false
    const waiting = slow.waitForEvents(lane.lane, positionNumber(0), new AbortController().signal).then(() => (woken = true))
    await store.pool.query('SELECT 1')
    expect(woken).toBe(false)
    await appender.append([commit(lane, 1)])
    await waiting
    await slow.waitForEvents(lane.lane, positionNumber(0), new AbortController().signal)
    await Promise.all([appender.close(), slow.close()])
  })

  test('ends by the poll where no notification comes, and when its signal aborts', async () => {
    const lane = await store.lane()
    const polling = createEventReader(store.target, { logger: silentLogger, pollIntervalMs: 20 })
    const waiting = polling.waitForEvents(lane.lane, positionNumber(0), new AbortController().signal)
    await store.pool.query('UPDATE lanes SET position = 1 WHERE lane = $1', [lane.lane])
    await waiting
    const stop = new AbortController()
    const stopped = polling.waitForEvents(laneId(999), positionNumber(0), stop.signal)
    stop.abort()
    await stopped
    await polling.close()
  })

  test('goes on when the listening connection was cut', async () => {
    const lane = await store.lane()
    const cut = createEventReader(store.target, { logger: silentLogger, pollIntervalMs: 50 })
    const waiting = cut.waitForEvents(lane.lane, positionNumber(0), new AbortController().signal)
    await endListening()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1)])
    await waiting
    await Promise.all([appender.close(), cut.close()])
  })
})

/** Ends the session that listens, once there is one. */
async function endListening(): Promise<void> {
  for (;;) {
    const { rowCount } = await store.pool.query(
      `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
       WHERE application_name = 'sluice listen' AND datname = current_database() AND query LIKE 'LISTEN%'`,
    )
    if (rowCount !== 0) return
  }
}

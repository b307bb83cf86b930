import { LSN_ZERO, isSluiceError, lsnOf } from '@sluice/core'
import { inTransaction, postgresTarget } from '@sluice/postgres'
import { assertStoreMigrated, createLane, findLane, getLane, listLanes, setPhase } from '@sluice/store'
import { createTestDatabase } from '@sluice/infra'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StoreFixture, commit, newLane, openStoreFixture } from './store-fixture.ts'

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store lanes')
})
afterAll(async () => {
  await store.close()
})

test('a lane is made once, with an epoch of its own and its source’s shared one', async () => {
  const [one, two] = [await store.lane({ laneName: 'one' }), await store.lane({ laneName: 'two' })]
  expect(one.epoch).not.toBe(two.epoch)
  expect(one.sourceEpoch).toBe(two.sourceEpoch)
  expect(one).toMatchObject({ position: 0n, link: 0n, phase: 'streaming', storedLsn: 100n, keepaliveLsn: null })
  const again = await store.lane({ laneName: 'one' }).catch((error: unknown) => error)
  expect(isSluiceError(again, 'LANE_TAKEN')).toBe(true)
  const { client } = store
  expect((await listLanes(client, 'shop')).map((l) => l.laneName)).toEqual(['one', 'two'])
  expect(await listLanes(client, 'other')).toEqual([])
  expect(await findLane(client, 'shop', 'three')).toBeNull()
  await expect(getLane(client, 'shop', 'three')).rejects.toMatchObject({ code: 'LANE_UNKNOWN' })
})

test('lanes made at the same moment get numbers of their own', async () => {
  const lanes = await Promise.all(['a', 'b', 'c'].map((laneName) => store.lane({ laneName, systemName: 'parallel' })))
  expect(new Set(lanes.map((l) => l.lane)).size).toBe(3)
})

test('a source that is another database is refused with SLU-2030', async () => {
  await store.lane({ laneName: 'first', systemName: 'moved' })
  const moved = await store
    .lane({ laneName: 'second', systemName: 'moved', systemIdentifier: '1' })
    .catch((error: unknown) => error)
  expect(isSluiceError(moved, 'SOURCE_CHANGED') && moved.why).toContain('7412345678901234567')
})

test('a lane that is being created gets its start once, and keeps it when the phase goes on', async () => {
  const lane = await store.lane({ phase: 'creating', storedLsn: LSN_ZERO })
  const start = { storedLsn: lsnOf(5000n), timeline: 3 }
  await inTransaction(store.pool, (client) => setPhase(client, lane, { phase: 'loading', start }))
  expect(await store.reload(lane)).toMatchObject({ phase: 'loading', storedLsn: 5000n, timeline: 3 })
  const again = inTransaction(store.pool, (client) => setPhase(client, lane, { phase: 'loading', start }))
  await expect(again).rejects.toMatchObject({ code: 'LANE_TAKEN' })
  const appender = await store.appender(lane)
  await appender.append([commit(lane, 9)])
  await appender.transact((client) => setPhase(client, lane, { phase: 'streaming' }))
  await appender.append([commit(lane, 10)])
  await appender.close()
  expect(await store.reload(lane)).toMatchObject({ phase: 'streaming', position: 2n })
})

test('a database without the store’s tables is SLU-3001, with the way out', async () => {
  await assertStoreMigrated(store.target)
  const empty = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'store empty')
  const refused = await assertStoreMigrated(postgresTarget('pipeline', empty.url)).catch((error: unknown) => error)
  expect(isSluiceError(refused, 'STORE_NOT_PROVISIONED') && refused.ways).toEqual(['sluice provision'])
  await empty.drop()
})

test('createLane leaves nothing where its transaction fails', async () => {
  const failed = inTransaction(store.pool, async (client) => {
    await createLane(client, newLane('undone'))
    throw new Error('the slot could not be made')
  })
  await expect(failed).rejects.toThrow('the slot')
  const { client } = store
  expect(await findLane(client, 'shop', 'undone')).toBeNull()
})

import { SluiceError, lsnOf } from '@sluice/core'
import { completeTable, failTable, loadProgress, planLoad, saveCheckpoint } from '@sluice/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StoreFixture, commit, openStoreFixture, uuidNumber } from './store-fixture.ts'

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store load state')
})
afterAll(async () => {
  await store.close()
})

test('a load keeps its tables in order, and each checkpoint moves with the events of its chunk', async () => {
  const lane = await store.lane()
  const run = uuidNumber(1)
  const { client } = store
  const [companies, orders] = await planLoad(client, {
    systemName: 'shop',
    laneName: lane.laneName,
    lane: lane.lane,
    run,
    tables: [
      { table: 'public.companies', rowsEstimate: 10n, rowFilter: '(id > 5)' },
      { table: 'public.orders', rowsEstimate: null, rowFilter: null },
    ],
  })
  expect([companies, orders]).toMatchObject([
    {
      table: 'public.companies',
      loadOrder: 1,
      status: 'pending',
      lastKey: null,
      rowsEstimate: 10n,
      rowsStored: 0n,
      lastSnapshotLsn: null,
      rowFilter: '(id > 5)',
    },
    { table: 'public.orders', loadOrder: 2, rowsEstimate: null, rowFilter: null },
  ])

  const chunk = {
    migrationId: companies!.id,
    snapshotLsn: lsnOf(77n),
    kind: 'range' as const,
    from: null,
    to: ['a', '7'],
    rows: 3,
  }
  const appender = await store.appender(lane)
  await appender.append([commit(lane, 1, 3)], (inside) => saveCheckpoint(inside, chunk))
  const lost = appender.append([commit(lane, 2, 3)], async (inside) => {
    await saveCheckpoint(inside, { ...chunk, from: ['a', '7'], to: ['b', '1'] })
    throw new Error('killed')
  })
  await expect(lost).rejects.toThrow('killed')
  await appender.close()
  const progress = async () => (await loadProgress(client, lane.lane, run))[0]
  expect(await progress()).toMatchObject({ status: 'running', lastKey: ['a', '7'], rowsStored: 3n, lastSnapshotLsn: 77n })

  await failTable(client, companies!.id, new SluiceError('STORE_BUSY', { what: 'w', why: 'y', ways: [] }))
  expect(await progress()).toMatchObject({ status: 'failed', lastKey: ['a', '7'] })
  await saveCheckpoint(client, { ...chunk, snapshotLsn: lsnOf(99n), kind: 'keys', to: ['z', '9'], rows: 1 })
  expect(await progress()).toMatchObject({ status: 'running', lastKey: ['a', '7'], rowsStored: 4n, lastSnapshotLsn: 99n })
  await completeTable(client, companies!.id)
  await saveCheckpoint(client, { ...chunk, kind: 'keys', to: ['z', '9'], rows: 1 })
  expect(await progress()).toMatchObject({ status: 'completed', rowsStored: 5n })
  expect(await store.count(`migration_checkpoints WHERE migration_id = '${companies!.id}'`)).toBe(3)
  await expect(saveCheckpoint(client, { ...chunk, migrationId: uuidNumber(404) })).rejects.toThrow()
})

import { SluiceError, type Uuid, lsnOf } from '@sluice/core'
import { completeTable, failTable, loadProgress, loadSecondsLeft, planLoad, saveCheckpoint } from '@sluice/store'
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
      startedAt: null,
      completedAt: null,
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
  const { startedAt } = (await progress())!
  expect(startedAt).toBeInstanceOf(Date)

  await failTable(client, companies!.id, new SluiceError('STORE_BUSY', { what: 'w', why: 'y', ways: [] }))
  expect(await progress()).toMatchObject({ status: 'failed', lastKey: ['a', '7'] })
  await saveCheckpoint(client, { ...chunk, snapshotLsn: lsnOf(99n), kind: 'keys', to: ['z', '9'], rows: 1 })
  expect(await progress()).toMatchObject({ status: 'running', lastKey: ['a', '7'], rowsStored: 4n, lastSnapshotLsn: 99n })
  await completeTable(client, companies!.id)
  await saveCheckpoint(client, { ...chunk, kind: 'keys', to: ['z', '9'], rows: 1 })
  expect(await progress()).toMatchObject({
    status: 'completed',
    rowsStored: 5n,
    startedAt,
    completedAt: expect.any(Date) as Date,
  })
  expect(await store.count(`migration_checkpoints WHERE migration_id = '${companies!.id}'`)).toBe(3)
  await expect(saveCheckpoint(client, { ...chunk, migrationId: uuidNumber(404) })).rejects.toThrow()
})

test('at half way of a load, the estimate of its end is within 30 %, whichever table it is at', async () => {
  const lane = await store.lane()
  const { client } = store
  const [lines, orders] = await planLoad(client, {
    systemName: 'shop',
    laneName: lane.laneName,
    lane: lane.lane,
    run: uuidNumber(2),
    tables: [
      { table: 'public.lines', rowsEstimate: 4_000n, rowFilter: null },
      { table: 'public.orders', rowsEstimate: 6_000n, rowFilter: null },
    ],
  })
  const chunk = { snapshotLsn: lsnOf(1n), kind: 'range' as const, from: null, to: ['1'], rows: 500 }
  const store500 = async (migrationId: Uuid): Promise<void> => saveCheckpoint(client, { ...chunk, migrationId })
  expect(await loadSecondsLeft(client, lane.lane), 'nothing was stored').toBeNull()
  for (let i = 0; i < 8; i += 1) await store500(lines!.id)
  await completeTable(client, lines!.id)
  for (let i = 0; i < 2; i += 1) await store500(orders!.id)
  const begun = performance.now()
  // As if one chunk a second had come, the last one just now: 5,000 of 10,000 rows are there.
  await client.query(
    `UPDATE migration_checkpoints c SET created_at = clock_timestamp() - n.place * interval '1 second'
     FROM (SELECT id, row_number() OVER (ORDER BY id DESC) - 1 AS place FROM migration_checkpoints
       WHERE migration_id = ANY ($1::uuid[])) AS n WHERE n.id = c.id`,
    [[lines!.id, orders!.id]],
  )
  const seconds = await loadSecondsLeft(client, lane.lane)
  // Since then nothing came, which makes it slower.
  const since = (performance.now() - begun) / 1000
  expect(seconds).toBeGreaterThan(7)
  expect(seconds).toBeLessThan(13 + since * 1.3)
  await completeTable(client, orders!.id)
  expect(await loadSecondsLeft(client, lane.lane), 'it has ended').toBeNull()
})

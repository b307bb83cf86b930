import { type Lsn, LSN_ZERO, isSluiceError, lsnOf, positionNumber, silentLogger } from '@sluice/core'
import { createEventReader, findVersionGaps, verifyChain } from '@sluice/store'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type StoreFixture, commit, commitInfo, commitPart, draft, openStoreFixture, uuidNumber } from './store-fixture.ts'

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store appender')
})
afterAll(async () => {
  await store.close()
})

async function stored(lane: Awaited<ReturnType<StoreFixture['lane']>>) {
  const reader = createEventReader(store.target, { logger: silentLogger })
  try {
    const { position } = await store.reload(lane)
    return await reader.events(lane.lane, positionNumber(0), position)
  } finally {
    await reader.close()
  }
}

describe('a batch', () => {
  test('is read back equal, in commit order, with positions and versions', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    const id = uuidNumber(7)
    const context = {
      aggregateId: id,
      aggregateKey: 'A-17/ü',
      correlationId: 'order 17',
      causationId: 'click',
      userId: 'åse',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      migrationId: 'b7a3',
    }
    const parts = [commit(lane, 1, 3), commit(lane, 2, 2, context), commit(lane, 3, 1, { aggregateId: id, traceparent: '00-x' })]
    const range = await appender.append(parts)
    await appender.close()
    expect(range).toEqual({ first: 1n, last: 6n })

    const versions = [1, 1, 1, 1, 2, 3]
    const expected = parts.flatMap((part) =>
      part.events.map((event) => ({
        ...event,
        lane: lane.lane,
        commitLsn: part.commit.commitLsn,
        committedAt: part.commit.committedAt,
      })),
    )
    expect(await stored(lane)).toEqual(
      expected.map((event, i) => ({ ...event, position: BigInt(i + 1), eventVersion: versions[i] })),
    )
  })

  test('keeps every text byte for byte, and its chain recomputes', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    const texts = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((t) => !t.includes('\0'))
    let n = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ value: texts, id: texts, key: fc.option(texts) }), { minLength: 1, maxLength: 8 }),
        async (values) => {
          n += 1
          const events = values.map(({ value, id, key }, ordinal) =>
            draft(lane, n, ordinal, {
              eventData: JSON.stringify({ op: 'c', after: { value }, spacing: 1.5e1 }).replace(',', ' ,\n'),
              correlationId: id,
              aggregateKey: key,
            }),
          )
          const range = await appender.append([{ commit: commitInfo(n), events, isLast: true }])
          const found = (await stored(lane)).slice(Number(range!.first) - 1)
          expect(found.map((e) => [e.eventData, e.correlationId, e.aggregateKey])).toEqual(
            events.map((e) => [e.eventData, e.correlationId, e.aggregateKey]),
          )
        },
      ),
      { numRuns: 30 },
    )
    await appender.close()
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, links: BigInt(n) })
  })

  test('moves the stored LSN to the end of its last commit, and a chunk leaves it', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1), commit(lane, 2)])
    expect(appender.durableLsn).toBe(2100n)
    const chunk = { ...commitInfo(3), kind: 'chunk' as const, endLsn: LSN_ZERO }
    await appender.append([{ commit: chunk, events: [draft(lane, 3, 0)], isLast: true }])
    expect(appender.durableLsn).toBe(2100n)
    expect(appender.position).toBe(3n)
    await appender.close()
    expect(await store.reload(lane)).toMatchObject({ position: 3n, link: 3n, storedLsn: 2100n })
  })

  test('of a commit without events makes no link, and its end counts', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    expect(await appender.append([{ commit: commitInfo(1), events: [], isLast: true }])).toBeNull()
    expect(await appender.append([commit(lane, 2), { commit: commitInfo(3), events: [], isLast: true }])).toEqual({
      first: 1n,
      last: 1n,
    })
    await appender.close()
    expect(await store.reload(lane)).toMatchObject({ position: 1n, link: 1n, storedLsn: 3100n })
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true })
  })

  test('with a commit that is stored already is refused', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 5)])
    await expect(appender.append([commit(lane, 5)])).rejects.toThrow(/is stored already/)
    await appender.close()
    expect((await store.reload(lane)).position).toBe(1n)
  })

  test('is one transaction with what runs alongside', async () => {
    const lane = await store.lane()
    await store.pool.query('CREATE TABLE IF NOT EXISTS checkpoint_probe (n int)')
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1)], async (client) => {
      await client.query('INSERT INTO checkpoint_probe VALUES (1)')
    })
    expect(await store.count('checkpoint_probe')).toBe(1)
    const failing = appender.append([commit(lane, 2)], async (client) => {
      await client.query('INSERT INTO checkpoint_probe VALUES (2)')
      throw new Error('the checkpoint is wrong')
    })
    await expect(failing).rejects.toThrow('the checkpoint is wrong')
    await appender.close()
    expect(await store.count('checkpoint_probe')).toBe(1)
    expect((await store.reload(lane)).position).toBe(1n)
  })

  test('leaves runs of one correlation and a row in the processing log', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([
      commit(lane, 1, 2, { correlationId: 'a' }),
      commit(lane, 2, 1, { correlationId: 'a' }),
      commit(lane, 3, 1, { correlationId: 'b' }),
      commit(lane, 4, 1, { correlationId: 'a' }),
    ])
    await appender.close()
    const runs = await store.pool.query(
      `SELECT correlation_id, first_position::int AS first, last_position::int AS last FROM event_correlations WHERE lane = $1
       ORDER BY first_position`,
      [lane.lane],
    )
    expect(runs.rows).toEqual([
      { correlation_id: 'a', first: 1, last: 3 },
      { correlation_id: 'b', first: 4, last: 4 },
      { correlation_id: 'a', first: 5, last: 5 },
    ])
    const log = await store.pool.query(
      `SELECT stage, service_name, first_position::int AS first, last_position::int AS last FROM processing_batches WHERE lane = $1`,
      [lane.lane],
    )
    expect(log.rows).toEqual([{ stage: 'reader', service_name: 'reader', first: 1, last: 5 }])
  })
})

describe('versions', () => {
  test('have no gaps over batches, restarts and lanes', async () => {
    const lanes = [await store.lane(), await store.lane()]
    for (let round = 0; round < 3; round += 1) {
      for (const lane of lanes) {
        const appender = await store.appender(lane)
        for (let batch = 0; batch < 3; batch += 1) {
          const n = round * 3 + batch + 1
          await appender.append([
            {
              commit: commitInfo(n),
              events: [0, 1, 2, 0, 0].map((a, i) => draft(lane, n, i, { aggregateId: uuidNumber(100 + a) })),
              isLast: true,
            },
          ])
        }
        await appender.close()
      }
    }
    const { client } = store
    expect(await findVersionGaps(client)).toEqual([])
    const head = await client.query('SELECT event_version FROM aggregate_heads WHERE aggregate_id = $1', [uuidNumber(100)])
    expect(head.rows).toEqual([{ event_version: 2 * 9 * 3 }])
    await client.query('UPDATE aggregate_heads SET event_version = event_version + 1 WHERE aggregate_id = $1', [uuidNumber(101)])
    expect(await findVersionGaps(client)).toHaveLength(1)
    await client.query('UPDATE aggregate_heads SET event_version = event_version - 1 WHERE aggregate_id = $1', [uuidNumber(101)])

    const swap = `UPDATE event_store SET event_version = 3 - event_version WHERE aggregate_id = $1 AND event_version IN (1, 2)`
    await client.query(swap, [uuidNumber(102)])
    expect(await findVersionGaps(client)).toMatchObject([
      { why: expect.stringContaining('not in the order of positions') as string },
    ])
    await client.query(swap, [uuidNumber(102)])
  })

  test('are counted for each aggregate type apart', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    const aggregateId = uuidNumber(900)
    const types = ['Order', 'Invoice', 'Order', 'Order', 'Invoice']
    await appender.append([
      {
        commit: commitInfo(1),
        events: types.map((aggregateType, i) => draft(lane, 1, i, { aggregateType, aggregateId })),
        isLast: true,
      },
    ])
    await appender.close()
    expect((await stored(lane)).map((e) => e.eventVersion)).toEqual([1, 1, 2, 3, 2])
  })
})

describe('a commit larger than a batch', () => {
  test('is invisible until its last part is in, and then is one link', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1)])
    await appender.append([commitPart(lane, 2, 0, 500, false)])
    await appender.append([commitPart(lane, 2, 500, 500, false)])
    expect(appender.position).toBe(1n)
    expect(appender.durableLsn).toBe(1100n)
    expect(await store.reload(lane)).toMatchObject({ position: 1n, storedLsn: 1100n })
    expect(await store.count(`event_store WHERE lane = ${lane.lane}`)).toBe(1)

    const range = await appender.append([commitPart(lane, 2, 1000, 10, true), commit(lane, 3)])
    expect(range).toEqual({ first: 1002n, last: 1012n })
    await appender.close()
    expect(await store.reload(lane)).toMatchObject({ position: 1012n, link: 3n, storedLsn: 3100n })
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, links: 3n, events: 1012n })
    const reader = createEventReader(store.target, { logger: silentLogger })
    const commits = await reader.commitsAfter(lane.lane, positionNumber(0), 10)
    expect(commits.map((c) => [c.first, c.last, c.commitLsn])).toEqual([
      [1n, 1n, 1000n],
      [2n, 1011n, 2000n],
      [1012n, 1012n, 3000n],
    ])
    await reader.close()
  })

  test('leaves nothing when its writer dies in the middle', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 1)])
    const heads = await store.count('aggregate_heads')
    await appender.append([commitPart(lane, 2, 0, 300, false)])
    await store.pool.query('SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1', [
      `sluice reader ${lane.laneName}`,
    ])
    const lost = await appender.append([commitPart(lane, 2, 300, 1, true)]).catch((error: unknown) => error)
    expect(isSluiceError(lost) && lost.retry !== 'never').toBe(true)
    await appender.close()

    expect(await store.count('aggregate_heads')).toBe(heads)
    expect(await store.count(`event_store WHERE lane = ${lane.lane}`)).toBe(1)
    const next = await store.appender(lane)
    await next.append([commit(lane, 2, 301)])
    await next.close()
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, links: 2n, events: 302n })
  })
})

describe('two appenders of one lane', () => {
  test('the second to write fails with SLU-3003 and stores nothing', async () => {
    const lane = await store.lane()
    const [one, two] = [await store.appender(lane), await store.appender(lane)]
    await one.append([commit(lane, 1)])
    const batches = await store.count('processing_batches')
    const heads = await store.count('aggregate_heads')
    const refused = await two.append([commit(lane, 1), commit(lane, 2)]).catch((error: unknown) => error)
    expect(isSluiceError(refused, 'LANE_TAKEN') && refused.why).toContain(
      'position 0, link 0, LSN 0/64; the store says position 1',
    )
    await expect(two.append([commit(lane, 3)])).rejects.toThrow(/is failed/)
    await Promise.all([one.close(), two.close()])
    expect(await store.count(`event_store WHERE lane = ${lane.lane}`)).toBe(1)
    expect(await store.count('processing_batches')).toBe(batches)
    expect(await store.count('aggregate_heads')).toBe(heads)
  })

  test('at the same moment: exactly one succeeds', async () => {
    const lane = await store.lane()
    const [one, two] = [await store.appender(lane), await store.appender(lane)]
    const results = await Promise.allSettled([one.append([commit(lane, 1, 50)]), two.append([commit(lane, 1, 50)])])
    expect(results.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected'])
    await Promise.all([one.close(), two.close()])
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, events: 50n })
  })

  test('one waits for a commit that the other holds open, and says that the lane is taken', async () => {
    const lane = await store.lane()
    const [one, two] = [await store.appender(lane), await store.appender(lane, { lockTimeoutMs: 200 })]
    await one.append([commitPart(lane, 1, 0, 5, false)])
    const refused = await two.append([commit(lane, 1)]).catch((error: unknown) => error)
    expect(isSluiceError(refused, 'LANE_TAKEN')).toBe(true)
    await one.append([commitPart(lane, 1, 5, 5, true)])
    await Promise.all([one.close(), two.close()])
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, events: 10n })
  })

  test('keepalive and phase changes fail in the one that was left behind', async () => {
    const lane = await store.lane()
    const [one, two, three] = [await store.appender(lane), await store.appender(lane), await store.appender(lane)]
    await one.append([commit(lane, 1)])
    await expect(two.recordKeepalive(lsnOf(9000n))).rejects.toMatchObject({ code: 'LANE_TAKEN' })
    let ran = false
    await expect(three.transact(async () => void (ran = true))).rejects.toMatchObject({ code: 'LANE_TAKEN' })
    expect(ran).toBe(false)
    await Promise.all([one.close(), two.close(), three.close()])
    expect((await store.reload(lane)).keepaliveLsn).toBeNull()
  })
})

test('a head row that another transaction holds is SLU-3004, not another reader', async () => {
  const lane = await store.lane()
  const aggregateId = uuidNumber(4711)
  const first = await store.appender(lane)
  await first.append([commit(lane, 1, 1, { aggregateId })])
  await first.close()
  const { client } = store
  await client.query('BEGIN')
  await client.query('SELECT 1 FROM aggregate_heads WHERE aggregate_id = $1 FOR UPDATE', [aggregateId])
  const appender = await store.appender(lane, { lockTimeoutMs: 100 })
  const refused = await appender.append([commit(lane, 2, 1, { aggregateId })]).catch((error: unknown) => error)
  await client.query('ROLLBACK')
  expect(isSluiceError(refused, 'STORE_BUSY') && refused.retry).toBe('restart')
  await appender.close()
  const next = await store.appender(lane)
  await next.append([commit(lane, 2, 1, { aggregateId })])
  await next.close()
  expect((await stored(lane)).map((e) => e.eventVersion)).toEqual([1, 2])
})

describe('a keepalive position', () => {
  test('is recorded before it counts, never goes back, and the next appender knows it', async () => {
    const lane = await store.lane()
    const appender = await store.appender(lane)
    await appender.recordKeepalive(lsnOf(500n))
    expect(appender.durableLsn).toBe(500n)
    await appender.recordKeepalive(lsnOf(400n))
    expect(appender.durableLsn).toBe(500n)
    await appender.append([commit(lane, 1)])
    expect(appender.durableLsn).toBe(1100n)
    await appender.recordKeepalive(lsnOf(1500n))
    await appender.close()
    const next = await store.appender(lane)
    expect(next.durableLsn satisfies Lsn).toBe(1500n)
    await next.append([commit(lane, 2)])
    await next.close()
    expect(await store.reload(lane)).toMatchObject({ storedLsn: 2100n, keepaliveLsn: 1500n })
  })
})

describe('partitions', () => {
  test('are there before they are needed, also where one commit crosses several', async () => {
    const lane = await store.lane({ partitionEvents: 100 })
    const appender = await store.appender(lane, { partitionEvents: 100 })
    await appender.append([commit(lane, 1, 90), commit(lane, 2, 20)])
    await appender.append([commitPart(lane, 3, 0, 250, false)])
    await appender.append([commitPart(lane, 3, 250, 250, true)])
    await appender.close()
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, events: 610n, links: 3n })
    const { rows } = await store.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM event_partitions WHERE lane = $1', [
      lane.lane,
    ])
    expect(rows[0]!.n).toBeGreaterThanOrEqual(7)
  })
})

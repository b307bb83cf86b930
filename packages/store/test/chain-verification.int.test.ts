import { isSluiceError, lsnOf, positionNumber } from '@sluice/core'
import {
  type ChainBreak,
  type ChainReport,
  type LaneRecord,
  dropEventsBelow,
  restoreRelayProgress,
  verifyChain,
} from '@sluice/store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type StoreFixture, commit, commitPart, openStoreFixture } from './store-fixture.ts'

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store chain')
})
afterAll(async () => {
  await store.close()
})

/** A lane with 60 events in 12 links. */
async function filledLane(): Promise<LaneRecord> {
  const lane = await store.lane()
  const appender = await store.appender(lane)
  for (let batch = 0; batch < 4; batch += 1) {
    await appender.append([1, 2, 3].map((i) => commit(lane, batch * 3 + i, 5, { userId: 'u' })))
  }
  await appender.close()
  return store.reload(lane)
}

async function sql(text: string): Promise<void> {
  await store.pool.query(text)
}

describe('a chain that nobody touched', () => {
  test('is whole, and its head is the lane’s', async () => {
    const lane = await filledLane()
    const head = lane.head.toString('hex')
    const report = await verifyChain(store.target, lane, { expectedHead: { link: 12n, head } })
    expect(report).toEqual({
      lane: lane.lane,
      laneName: lane.laneName,
      isWhole: true,
      broken: null,
      afterLink: 0n,
      links: 12n,
      events: 60n,
      link: 12n,
      head,
    } satisfies ChainReport)
  })

  test('holds from any link on, and when the lane grows meanwhile', async () => {
    const lane = await filledLane()
    const appender = await store.appender(lane)
    await appender.append([commitPart(lane, 13, 0, 100, false)])
    expect(await verifyChain(store.target, lane, { afterLink: 7n })).toMatchObject({ isWhole: true, links: 5n, events: 25n })
    await appender.append([commitPart(lane, 13, 100, 1, true)])
    await appender.close()
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, links: 13n })
  })

  test('of an empty lane is whole, and an unknown lane is SLU-3002', async () => {
    expect(await verifyChain(store.target, await store.lane())).toMatchObject({ isWhole: true, links: 0n })
    const unknown = await verifyChain(store.target, { systemName: 'shop', laneName: 'nobody' }).catch((e: unknown) => e)
    expect(isSluiceError(unknown, 'LANE_UNKNOWN')).toBe(true)
  })

  test('can be stopped', async () => {
    const lane = await filledLane()
    await expect(verifyChain(store.target, lane, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
  })
})

describe('a changed byte is found', () => {
  const changes = {
    event_id: 'gen_random_uuid()',
    aggregate_type: `aggregate_type || 's'`,
    aggregate_id: 'gen_random_uuid()',
    aggregate_key: `''`,
    event_type: 'upper(event_type)',
    event_version: 'event_version + 1',
    event_data: `replace(event_data::text, '12.50', '12.5')::json`,
    metadata: `'{ }'`,
    correlation_id: `correlation_id || ' '`,
    causation_id: `'x'`,
    user_id: 'NULL',
    commit_lsn: 'commit_lsn + 1',
    ordinal: 'ordinal + 1',
    created_at: `created_at + interval '1 microsecond'`,
  }
  test.each(Object.entries(changes))('in %s', async (column, expression) => {
    const lane = await filledLane()
    await sql(`UPDATE event_store SET ${column} = ${expression} WHERE lane = ${lane.lane} AND position = 33`)
    const report = await verifyChain(store.target, lane)
    expect(report.broken).toMatchObject({ kind: 'changed' satisfies ChainBreak, link: 7n, position: 31n })
    // What stands before it holds.
    expect(report).toMatchObject({ isWhole: false, links: 6n, events: 30n })
  })

  test('also where the link was made to fit: then the next link breaks', async () => {
    const lane = await filledLane()
    await sql(`UPDATE event_commits SET hash = decode(repeat('ab', 32), 'hex') WHERE lane = ${lane.lane} AND link = 12`)
    expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'changed', link: 12n })
  })
})

describe('a removed event is found', () => {
  test.each([1, 33, 35, 60])('at position %i', async (position) => {
    const lane = await filledLane()
    await sql(`DELETE FROM event_store WHERE lane = ${lane.lane} AND position = ${position}`)
    expect((await verifyChain(store.target, lane)).broken).toMatchObject({
      kind: 'event-missing',
      link: BigInt(Math.ceil(position / 5)),
      position: BigInt(position),
    })
  })

  test('and a removed link, with or without its events', async () => {
    const lane = await filledLane()
    await sql(`DELETE FROM event_commits WHERE lane = ${lane.lane} AND link = 4`)
    expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'link-missing', link: 4n, position: 16n })
    await sql(`DELETE FROM event_store WHERE lane = ${lane.lane} AND position BETWEEN 16 AND 20`)
    expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'link-missing', link: 4n })
  })
})

describe('a removed tail is found', () => {
  /** Takes the last two links away so that the database alone shows nothing. */
  async function removeTail(lane: LaneRecord): Promise<void> {
    await sql(`DELETE FROM event_store WHERE lane = ${lane.lane} AND position > 50`)
    await sql(`DELETE FROM event_commits WHERE lane = ${lane.lane} AND link > 10`)
    await sql(`UPDATE lanes SET position = 50, link = 10, head = (SELECT hash FROM event_commits c WHERE c.lane = lanes.lane AND c.link = 10)
      WHERE lane = ${lane.lane}`)
  }

  test('by the head that the control topic has', async () => {
    const lane = await filledLane()
    const expectedHead = { link: 12n, head: lane.head.toString('hex') }
    await removeTail(lane)
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true })
    expect((await verifyChain(store.target, lane, { expectedHead })).broken).toMatchObject({ kind: 'tail-missing', link: 10n })
  })

  test('also when other events were written in its place', async () => {
    const lane = await filledLane()
    const expectedHead = { link: 12n, head: lane.head.toString('hex') }
    await removeTail(lane)
    const appender = await store.appender(lane)
    await appender.append([commit(lane, 21), commit(lane, 22), commit(lane, 23)])
    await appender.close()
    expect((await verifyChain(store.target, lane, { expectedHead })).broken).toMatchObject({ kind: 'head-differs', link: 12n })
  })

  test('by the lane itself where only the events went', async () => {
    const lane = await filledLane()
    await sql(`DELETE FROM event_store WHERE lane = ${lane.lane} AND position > 55`)
    await sql(`DELETE FROM event_commits WHERE lane = ${lane.lane} AND link > 11`)
    expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'link-missing', link: 12n })
  })
})

test('an event that was put behind the lane’s position is found', async () => {
  const lane = await filledLane()
  await sql(`INSERT INTO event_store SELECT e.lane, 61, gen_random_uuid(), aggregate_type, gen_random_uuid(), aggregate_key, event_type, 1,
    event_data, metadata, correlation_id, causation_id, user_id, commit_lsn, ordinal, created_at
    FROM event_store e WHERE e.lane = ${lane.lane} AND position = 60`)
  expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'event-added', position: 61n })
})

test('another epoch breaks the first link', async () => {
  const lane = await filledLane()
  await sql(`UPDATE lanes SET epoch = gen_random_uuid() WHERE lane = ${lane.lane}`)
  expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'changed', link: 1n })
})

describe('retention', () => {
  async function longLane(): Promise<LaneRecord> {
    const lane = await store.lane({ partitionEvents: 100 })
    const appender = await store.appender(lane, { partitionEvents: 100 })
    for (let n = 1; n <= 8; n += 1) await appender.append([commit(lane, n, 45)])
    await appender.close()
    return store.reload(lane)
  }

  test('drops whole partitions below what is published, and the chain holds from the closed link on', async () => {
    const lane = await longLane()
    expect(await dropEventsBelow(store.target, lane.lane, positionNumber(300))).toEqual({ droppedThrough: 0n, partitions: [] })
    const { client } = store
    await restoreRelayProgress(client, { lane: lane.lane, position: positionNumber(250), clusterId: 'c' })

    const dropped = await dropEventsBelow(store.target, lane.lane, positionNumber(350))
    expect(dropped.droppedThrough).toBe(200n)
    expect(dropped.partitions).toEqual([
      { first: 1n, last: 100n },
      { first: 101n, last: 200n },
    ])
    expect(await store.count(`event_store WHERE lane = ${lane.lane} AND position <= 200`)).toBe(0)
    // Position 200 lies in link 5, which ends at 225: the chain begins after it.
    const report = await verifyChain(store.target, lane)
    expect(report).toMatchObject({ isWhole: true, afterLink: 5n, links: 3n, events: 135n, head: lane.head.toString('hex') })

    await sql(`UPDATE event_store SET user_id = 'x' WHERE lane = ${lane.lane} AND position = 226`)
    expect((await verifyChain(store.target, lane)).broken).toMatchObject({ kind: 'changed', link: 6n })
  })

  test('that was killed between its steps is ended by the next call, and the lane goes on', async () => {
    const lane = await longLane()
    const { client } = store
    await restoreRelayProgress(client, { lane: lane.lane, position: positionNumber(360), clusterId: 'c' })
    await sql(`UPDATE event_partitions SET drop_begun_at = now() WHERE lane = ${lane.lane} AND first_position = 1`)
    await sql(`INSERT INTO event_retention (lane, dropped_through, link, last_position, hash)
      SELECT lane, 100, link, last_position, hash FROM event_commits WHERE lane = ${lane.lane} AND link = 3`)
    await sql(`ALTER TABLE event_store_${lane.lane} DETACH PARTITION event_store_${lane.lane}_p1`)
    await sql(`DROP TABLE event_commits_${lane.lane}_p1`)
    expect(await dropEventsBelow(store.target, lane.lane, positionNumber(1))).toMatchObject({ droppedThrough: 100n })
    const { rows } = await store.pool.query(`SELECT to_regclass('event_store_${lane.lane}_p1') AS leaf`)
    expect(rows).toEqual([{ leaf: null }])

    const appender = await store.appender(lane, { partitionEvents: 100 })
    await appender.append([commit(lane, 9, 45)])
    await appender.close()
    expect(await verifyChain(store.target, lane)).toMatchObject({ isWhole: true, afterLink: 3n, links: 6n })
    expect((await store.reload(lane)).storedLsn).toBe(lsnOf(9100n))
  })
})

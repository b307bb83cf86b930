import { setTimeout as delay } from 'node:timers/promises'
import { type ControlRecord, isSluiceError, silentLogger } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { connect } from '@sluice/postgres'
import { createEventReader, getLane } from '@sluice/store'
import { lanesOf } from '@sluice/system'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type VerifyProgress, type VerifyReport, isGreen, verifySystem } from '../src/index.ts'
import { LaneCatchUp } from '../src/lane-catch-up.ts'
import { DEFAULT_VERIFY_LIMITS } from '../src/verify-limits.ts'
import { controlTopicWith } from './control-topic.ts'
import { type FakePipeline, fakeSystem, openFakePipeline } from './fake-pipeline.ts'

let pipeline: FakePipeline

beforeAll(async () => {
  pipeline = await openFakePipeline('verify_system')
})

/** What the clients complain of; pg says so once a process. */
const warnings: string[] = []
const noteWarning = (warning: Error): void => void warnings.push(`${warning.name}: ${warning.message}`)
process.on('warning', noteWarning)

afterAll(async () => {
  await pipeline.close()
  process.off('warning', noteWarning)
  expect(warnings.filter((w) => w.startsWith('DeprecationWarning'))).toEqual([])
})

beforeEach(() => {
  pipeline.goOn()
})

function verify(
  options: { limits?: object; kafka?: KafkaPort; onProgress?: (p: VerifyProgress) => void; signal?: AbortSignal } = {},
): Promise<VerifyReport> {
  return verifySystem({ system: fakeSystem, targets: pipeline.targets, ...options })
}

async function barriers(): Promise<number> {
  const { rows } = await pipeline.service.query<{ n: number }>('SELECT count(*)::int AS n FROM projector_barriers')
  return rows[0]!.n
}

async function refusal(work: Promise<unknown>): Promise<{ code: string; why: string; ways: readonly string[] }> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!isSluiceError(error)) throw new Error('expected a SluiceError', { cause: error })
  return error
}

/** Writes until the work has ended, so that verify never meets an idle source. */
async function underWrites<T>(work: () => Promise<T>): Promise<T> {
  const done = new AbortController()
  const writing = (async () => {
    while (!done.signal.aborted) {
      await pipeline.insertItem()
      await delay(5)
    }
  })()
  try {
    return await work()
  } finally {
    done.abort()
    await writing
  }
}

test('an idle system is equal, and its projector is released', async () => {
  await pipeline.insertItem()
  const report = await verify()
  expect(report.services[0]).toMatchObject({
    service: 'shop',
    parked: 0,
    tables: [{ table: 'shop_items', status: 'equal', sourceRows: 1 }],
  })
  expect(await barriers()).toBe(0)
})

test('while the monolith is written to, both sides are of one LSN, again and again', async () => {
  for (let round = 0; round < 3; round += 1) {
    const report = await underWrites(() => verify())
    const [service] = report.services
    expect(service!.tables[0]).toMatchObject({ status: 'equal', missing: 0, extra: 0 })
    // Every event is one row, so the position that was compared at is the number of rows.
    expect(service!.lanes).toEqual([{ lane: 'monolith', position: BigInt(service!.tables[0]!.targetRows) }])
  }
})

test('a planted difference shows under writes, and is the only one', async () => {
  await pipeline.service.query('INSERT INTO shop_items VALUES (-1)')
  const report = await underWrites(() => verify())
  expect(report).toMatchObject({ verdict: 'different' })
  expect(report.services[0]!.tables[0]).toMatchObject({
    extra: 1,
    missing: 0,
    different: 0,
    examples: [{ kind: 'extra', key: ['-1'] }],
  })
  await pipeline.service.query('DELETE FROM shop_items WHERE id = -1')
})

test('without the head of the control topic the chain is unchecked and nothing is green', async () => {
  const report = await verify()
  expect(report.chain).toMatchObject([{ lane: 'monolith', status: 'unchecked' }])
  expect(report.verdict).toBe('partial')
  expect(isGreen(report)).toBe(false)
})

/** What the relay would have written last. */
async function headOutside(change: { head?: string; link?: bigint } = {}): Promise<ControlRecord> {
  const store = await connect(pipeline.targets.pipeline, { applicationName: 'test' })
  try {
    const lane = await getLane(store, 'fake', 'monolith')
    return {
      lane: lane.lane,
      laneName: lane.laneName,
      epoch: lane.epoch,
      position: lane.position,
      previous: lane.position,
      commitEnd: true,
      link: change.link ?? lane.link,
      head: change.head ?? lane.head.toString('hex'),
      partitions: [],
      clusterId: 'fake',
    }
  } finally {
    await store.end()
  }
}

test('equal tables under a chain that ends in the head of the control topic are green', async () => {
  const report = await verify({ kafka: controlTopicWith(await headOutside()) })
  expect(report).toMatchObject({
    verdict: 'equal',
    isComplete: true,
    chain: [{ lane: 'monolith', status: 'whole', problem: null }],
  })
  expect(isGreen(report)).toBe(true)
})

test('a head outside that the store does not have is a broken chain: its tail was removed, or written anew', async () => {
  const { link } = await headOutside()
  for (const change of [{ link: link + 1n }, { head: '00'.repeat(32) }]) {
    const report = await verify({ kafka: controlTopicWith(await headOutside(change)) })
    expect(report).toMatchObject({ verdict: 'different', chain: [{ status: 'broken' }] })
  }
})

test('a changed event breaks the chain, and the verdict is no', async () => {
  const store = await connect(pipeline.targets.pipeline, { applicationName: 'test' })
  try {
    await store.query(`UPDATE event_store SET user_id = 'mallory' WHERE position = 1`)
    const report = await verify()
    expect(report.chain).toMatchObject([
      { lane: 'monolith', status: 'broken', problem: expect.stringContaining('link 1') as string },
    ])
    expect(report.verdict).toBe('different')
  } finally {
    await store.query('UPDATE event_store SET user_id = NULL WHERE position = 1')
    await store.end()
  }
})

test.each([
  ['an event with the wrong version', 'UPDATE event_store SET event_version = event_version + $1 WHERE position = 1', 'head 1'],
  ['a head that is ahead of its events', 'UPDATE aggregate_heads SET event_version = event_version + $1', 'head 3'],
])('a gap in the versions of an aggregate is told by its name, and the verdict is no: %s', async (_what, change, head) => {
  await pipeline.insertItem()
  await verify()
  const store = await connect(pipeline.targets.pipeline, { applicationName: 'test' })
  try {
    await store.query(change, [2])
    const { verdict, versions } = await verify()
    const why = expect.stringContaining(head) as string
    expect(versions.gaps[0]).toEqual({ aggregateType: 'Item', aggregateId: expect.any(String) as string, why })
    expect(verdict).toBe('different')
  } finally {
    await store.query(change, [-2])
    await store.end()
  }
})

test('an open write transaction that holds the slot up is named, and nobody stays held', async () => {
  const writer = await connect(pipeline.targets.monolith, { applicationName: 'slow writer' })
  await writer.query('BEGIN; SELECT txid_current()')
  try {
    const error = await refusal(verify({ limits: { slotMs: 500 } }))
    expect(error.code).toBe('SLOT_CREATION_BLOCKED')
    expect(error.why).toContain('slow writer')
    expect(error.ways.join()).toMatch(/pg_terminate_backend\(\d+\)/)
    expect(await barriers()).toBe(0)
  } finally {
    await writer.query('ROLLBACK')
    await writer.end()
  }
})

test('a projector that does not run is named with its command', async () => {
  await pipeline.halt('projector')
  const error = await refusal(verify({ limits: { standMs: 300 } }))
  expect(error).toMatchObject({ code: 'BARRIER_NOT_REACHED', ways: ['sluice run projector shop', 'sluice status'] })
  expect(await barriers()).toBe(0)
})

test('a reader that does not run is named with its command', async () => {
  await pipeline.halt('reader')
  const error = await refusal(verify({ limits: { stallMs: 300 } }))
  expect(error).toMatchObject({ code: 'BARRIER_NOT_REACHED', ways: ['sluice run reader monolith', 'sluice status'] })
  expect(await barriers()).toBe(0)
})

test('a relay that does not run is named with its command', async () => {
  await verify()
  await pipeline.halt('relay')
  await pipeline.insertItem()
  // No time passes until the reader has stored the item, however long it takes: then it is the relay alone that stands.
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const onProgress = (p: VerifyProgress): void => {
      if (p.phase === 'waiting' && p.stage !== 'reader') vi.advanceTimersByTime(2 * DEFAULT_VERIFY_LIMITS.stallMs)
    }
    const error = await refusal(verify({ onProgress }))
    expect(error).toMatchObject({ code: 'BARRIER_NOT_REACHED', ways: ['sluice run relay monolith', 'sluice status'] })
  } finally {
    vi.useRealTimers()
  }
})

test('two verifications do not share a barrier', async () => {
  const writer = await connect(pipeline.targets.monolith, { applicationName: 'slow writer' })
  await writer.query('BEGIN; SELECT txid_current()')
  const { promise: isHeld, resolve } = Promise.withResolvers<undefined>()
  const first = verify({
    limits: { slotMs: 20_000 },
    onProgress: (p) => {
      if (p.phase === 'holding') resolve(undefined)
    },
  })
  await isHeld
  await expect.poll(barriers, { timeout: 20_000 }).toBe(1)
  expect(await refusal(verify())).toMatchObject({
    code: 'BARRIER_NOT_REACHED',
    why: expect.stringContaining('holds it') as string,
  })
  await writer.query('ROLLBACK')
  await writer.end()
  expect((await first).services[0]!.tables[0]).toMatchObject({ status: 'equal' })
})

test('a verification that died holds the next one up until its hold has expired, and no longer', async () => {
  const { rows } = await pipeline.service.query<{ until: Date }>(
    `INSERT INTO projector_barriers (lane, requested_by, stop_at, expires_at)
     SELECT lane, 'verify of a process that was killed', NULL, clock_timestamp() + interval '2 s' FROM projector_positions
     RETURNING expires_at AS until`,
  )
  // Were it to wait any longer than for what is said there, it would give up.
  expect((await verify()).services[0]!.tables[0]).toMatchObject({ status: 'equal' })
  const { rows: isOver } = await pipeline.service.query('SELECT clock_timestamp() > $1 AS over', [rows[0]!.until])
  expect(isOver).toEqual([{ over: true }])
})

/** The hold goes, so many times, when a verification lets the projector run up to its point: as the projector does with an expired row. */
async function loseHolds(times: number): Promise<void> {
  await pipeline.service.query(`CREATE SEQUENCE IF NOT EXISTS losses; SELECT setval('losses', 1, false);
    CREATE OR REPLACE FUNCTION lose_hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('losses') > ${times} THEN RETURN NEW; END IF;
      DELETE FROM projector_barriers WHERE lane = OLD.lane;
      RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER lose_hold BEFORE UPDATE OF stop_at ON projector_barriers
      FOR EACH ROW WHEN (NEW.stop_at IS NOT NULL) EXECUTE FUNCTION lose_hold()`)
}

test('a hold that was lost makes everything begin again, and one that is always lost is told', async () => {
  const messages: string[] = []
  const onProgress = (p: VerifyProgress): void => {
    if (p.phase === 'warning') messages.push(p.message)
  }
  try {
    await loseHolds(1)
    const report = await underWrites(() => verify({ onProgress }))
    expect(report.services[0]!.tables[0]).toMatchObject({ status: 'equal' })
    expect(messages).toEqual([expect.stringContaining('everything is begun again')])
    await loseHolds(99)
    const error = await refusal(underWrites(() => verify({ onProgress })))
    expect(error).toMatchObject({ code: 'BARRIER_NOT_REACHED', why: expect.stringContaining('3 times') as string })
    expect(await barriers()).toBe(0)
  } finally {
    await pipeline.service.query('DROP TRIGGER lose_hold ON projector_barriers')
  }
})

test('services that wait for one lane ask for it one after the other, as a connection wants it', async () => {
  const client = await connect(pipeline.targets.pipeline, { applicationName: 'test' })
  const reader = createEventReader(pipeline.targets.pipeline, { logger: silentLogger })
  const { signal } = new AbortController()
  const { targets } = pipeline
  const options = { system: fakeSystem, targets, limits: DEFAULT_VERIFY_LIMITS, onProgress: () => undefined, signal }
  const catchUp = new LaneCatchUp(options, client, reader)
  const [lane] = lanesOf(fakeSystem)
  await Promise.all([catchUp.progress(lane!), catchUp.progress(lane!), catchUp.progress({ ...lane!, slotName: 'other' })])
  await Promise.all([client.end(), reader.close()])
  expect(warnings).toEqual([])
})

test('an aborted verification rejects with the reason and holds nobody', async () => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const running = verify({
    signal: stop.signal,
    onProgress: (p) => {
      if (p.phase === 'snapshot') stop.abort(reason)
    },
  })
  await expect(running).rejects.toBe(reason)
  expect(await barriers()).toBe(0)
})

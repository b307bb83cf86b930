/** What is looked at before a backfill is asked for; nothing of it changes the source. */
import { randomUUID } from 'node:crypto'
import { type BackfillPlan, type BackfillWish, planBackfill } from '@sluice/reader'
import { bigint, table, text } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LOAD_DDL, loadLane, visits } from './load-system.ts'
import { fill } from './load-workload.ts'
import { type ReaderFixture, openReaderFixture } from './reader-fixture.ts'

let source: ReaderFixture
beforeEach(async () => {
  source = await openReaderFixture('backfill plan', LOAD_DDL)
  await fill(source, 300)
})
afterEach(async () => {
  await source.close()
})

async function plan(wish: Partial<BackfillWish>): Promise<BackfillPlan> {
  const lane = loadLane(source.lane.name)
  return planBackfill({ lane, source: source.sourceTarget, table: 'visits', from: null, to: null, filter: null, ...wish })
}

test('it tells how many keys a run has to pass, in how many chunks', async () => {
  expect(await plan({})).toEqual({ table: 'public.visits', keys: 300n, isCounted: true, rows: 300n, chunks: 1n, blindRole: null })
  expect(await plan({ from: ['11'], to: ['60'] })).toMatchObject({ keys: 50n, rows: 50n })
  expect(await plan({ table: 'public.entries', from: ['20', '2'], to: ['30', '1'] })).toMatchObject({ keys: 10n })
  await source.source.query('ANALYZE visits')
  expect(await plan({ filter: 'id <= 30' })).toMatchObject({ keys: 300n, rows: expect.any(BigInt) as bigint })
})

test('a table, key or filter that can not be read is refused, with the reason and without its values', async () => {
  const refused = { number: 'SLU-2051' }
  await expect(plan({ table: 'unknown' })).rejects.toMatchObject({
    ...refused,
    why: expect.stringContaining('public.visits') as string,
  })
  await expect(plan({ from: ['1', '2'] })).rejects.toMatchObject({
    ...refused,
    why: 'a key has 2 values, and the primary key is (id)',
  })
  await expect(plan({ from: ['secret'] })).rejects.toMatchObject({
    ...refused,
    why: 'a value is not one of the primary key (id): SQLSTATE 22P02',
  })
  for (const filter of ['nothing = 1', 'n = ', 'n', 'n = $1', 'true; DROP TABLE visits; --', 'true); DROP TABLE visits; --']) {
    await expect(plan({ filter }), filter).rejects.toMatchObject(refused)
  }
  expect((await source.source.query('SELECT count(*)::int AS n FROM visits')).rows).toEqual([{ n: 300 }])
})

test('a private column may be in neither keys nor filter, which are remembered as they are given', async () => {
  const people = table('codes', {
    columns: { code: text(), n: bigint() },
    key: ['code'],
    aggregate: 'Code',
    topic: visits.topic,
    privacy: { code: { kind: 'hash' } },
  })
  const lane = { ...loadLane(source.lane.name), tables: [people] }
  const refused = { number: 'SLU-2051', why: expect.stringContaining('private') as string }
  await expect(plan({ lane, table: 'codes', from: ['a'] })).rejects.toMatchObject(refused)
  await expect(plan({ lane, table: 'codes', filter: `"CODE" = 'a'` })).rejects.toMatchObject(refused)
})

test('a role that may not read statistics of others is blind for the load of the source, and the plan says so', async () => {
  const { source: server, sourceTarget } = source
  const role = `blind_${randomUUID().slice(0, 8)}`
  await server.query(`CREATE ROLE ${role} LOGIN PASSWORD 'blind'; GRANT SELECT ON visits TO ${role}`)
  try {
    const blind = { ...sourceTarget, config: { ...sourceTarget.config, user: role, password: 'blind' } }
    expect(await plan({ source: blind })).toMatchObject({ keys: 300n, blindRole: role })
    await server.query(`GRANT pg_read_all_stats TO ${role}`)
    expect(await plan({ source: blind })).toMatchObject({ blindRole: null })
  } finally {
    await server.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  }
})

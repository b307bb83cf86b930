/**
 * A commit is in the stream before a query sees it. Synchronous replication with a standby that never comes holds commits between
 * the two for as long as the test likes: what the stream said then must win over what a chunk reads.
 */
import { connect } from '@sluice/postgres'
import { type BackfillRun, getBackfill } from '@sluice/store'
import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  backfillUntil,
  backfilledKeys,
  completed,
  expectConsistent,
  letGo,
  startBackfill,
  startHeldBackfill,
} from './backfill-fixture.ts'
import { LOAD_DDL, accounts, loadLane, visits } from './load-system.ts'
import { fill } from './load-workload.ts'
import { type ReaderFixture, type RunningReader, dataOf, openReaderFixture } from './reader-fixture.ts'

let source: ReaderFixture
let holding: pg.Client[]
beforeEach(async () => {
  source = await openReaderFixture('reader visibility', LOAD_DDL)
  holding = []
  await fill(source, 300)
})
afterEach(async () => {
  await setStandby('')
  await Promise.all(holding.map((client) => client.end()))
  await source.close()
})

/** The setting is the server's; the sessions of the test do not wait, but those that `hold` opens. */
async function setStandby(name: string): Promise<void> {
  await source.source.query(`SET synchronous_commit = local`)
  await source.source.query(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`)
  await source.source.query('SELECT pg_reload_conf()')
}

/** From here on commits wait for a standby that never comes. */
async function holdCommits(): Promise<void> {
  await setStandby('nobody')
  const client = await connect(source.sourceTarget, { applicationName: 'probe' })
  holding.push(client)
  const pid = await pidOf(client)
  // The server takes the setting in when it comes to it: the first commit that waits shows it.
  while (!(await isHeld(client, pid))) continue
}

async function isHeld(client: pg.Client, pid: number): Promise<boolean> {
  const ended = new Set<string>()
  const committing = client.query('CREATE TABLE probe (); DROP TABLE probe').then(() => ended.add('probe'))
  while (ended.size === 0) {
    if (await isWaiting(pid)) {
      await source.source.query('SELECT pg_cancel_backend($1)', [pid])
      await committing
      return true
    }
  }
  return false
}

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]!.pid
}

/** True while a backend waits with its commit for a standby. */
async function isWaiting(pid: number): Promise<boolean> {
  const { rowCount } = await source.source.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`, [pid])
  return rowCount === 1
}

interface HeldCommit {
  readonly release: () => Promise<void>
}

/** Commits a statement; it is in the WAL, and nobody sees it until it is released. */
async function hold(reader: RunningReader, statement: string): Promise<HeldCommit> {
  const client = await connect(source.sourceTarget, { applicationName: 'held' })
  holding.push(client)
  const pid = await pidOf(client)
  const stored = reader.next('stored', ({ commits }) => commits > 0)
  const committing = client.query(statement)
  await stored
  // The stream may be quicker than the session that commits.
  while (!(await isWaiting(pid))) continue
  return {
    release: async () => {
      await source.source.query('SELECT pg_cancel_backend($1)', [pid])
      await committing
    },
  }
}

async function readPast(reader: RunningReader, run: BackfillRun, keys: bigint): Promise<void> {
  await backfillUntil(source, reader, run, ({ rowsRead, status }) => rowsRead >= keys || status === 'completed')
}

async function streaming(limits: object = {}): Promise<RunningReader> {
  const reader = source.start({ lane: loadLane(source.lane.name), limits: { backfillPollMs: 20, chunkRowsMax: 10, ...limits } })
  await reader.next('connected')
  return reader
}

test('a chunk that is read while a commit is in the stream and not yet seen leaves its keys to the stream', async () => {
  const reader = await streaming()
  const run = await startHeldBackfill(source, reader, visits, { rows: 10 })
  await holdCommits()
  const held = [
    await hold(reader, 'UPDATE visits SET n = 1 WHERE id = 150'),
    await hold(reader, 'DELETE FROM visits WHERE id = 160'),
    await hold(reader, 'UPDATE visits SET id = 1000 WHERE id = 170'),
  ]
  await letGo(source, run)
  // Every chunk up to here was read, marked and stored while the three were held.
  await readPast(reader, run, 200n)
  const { rows } = await source.source.query('SELECT FROM visits WHERE id IN (150, 160, 170) AND n = 0')
  expect(rows).toHaveLength(3)
  for (const commit of held) await commit.release()
  const ended = await completed(source, reader, run)
  await source.caughtUp(reader)
  await reader.stop()
  const keys = new Set(await backfilledKeys(source, run))
  expect(['149', '150', '151', '160', '170'].map((key) => keys.has(key))).toEqual([true, false, true, false, false])
  expect(ended.rowsDropped).toBe(3n)
  await expectConsistent(source, [run], [run])
})

test('a commit that was streamed before the reader began is waited for: nobody remembers its keys', async () => {
  const before = await streaming()
  await source.caughtUp(before)
  await holdCommits()
  const held = await hold(before, 'UPDATE visits SET n = 1 WHERE id = 5')
  await source.caughtUp(before)
  await before.stop()
  const run = await startBackfill(source, visits)
  const reader = await streaming()
  const waiting = await backfillUntil(source, reader, run, ({ waitsFor }) => waitsFor !== null)
  expect(waiting).toMatchObject({
    status: 'running',
    rowsRead: 0n,
    waitsFor: expect.stringContaining('waits for a standby') as string,
  })
  await held.release()
  await completed(source, reader, run)
  await source.caughtUp(reader)
  await reader.stop()
  expect((await getBackfill(source.store, run.id)).rowsStored).toBe(300n)
  await expectConsistent(source, [run], [run])
})

test('a row that changed meanwhile, of which a large value was not sent, is read again when the others are done', async () => {
  const reader = await streaming()
  const run = await startHeldBackfill(source, reader, accounts, { rows: 10, rowsPerSecondMax: 100 })
  await holdCommits()
  const held = await hold(
    reader,
    `UPDATE accounts SET name = 'renamed' WHERE id = 200; UPDATE accounts SET id = 9999 WHERE id = 220`,
  )
  await letGo(source, run)
  await readPast(reader, run, 150n)
  await held.release()
  await completed(source, reader, run)
  await source.caughtUp(reader)
  await reader.stop()
  const again = (await source.events()).filter((e) => e.migrationId === run.run && e.correlationId.includes('-keys-'))
  expect(again.map((e) => dataOf(e))).toHaveLength(2)
  expect(again.map((e) => dataOf(e))).toEqual(
    expect.arrayContaining([
      { op: 'r', after: { id: '200', name: 'renamed', bio: 'b'.repeat(3000) } },
      { op: 'r', after: { id: '9999', name: 'account 110', bio: 'b'.repeat(3000) } },
    ]),
  )
  await expectConsistent(source, [run], [run])
})

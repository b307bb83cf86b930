/** Partitioned tables under the root's name or a leaf's own, and the replica identities that a captured table may have. */
import { type LaneDefinition, integer, table, text, topic } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, dataOf, openReaderFixture, shopLane } from './reader-fixture.ts'

const DDL = `
  CREATE TABLE visits (region text NOT NULL, id int NOT NULL, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  -- The columns of a partition may lie in another order than the root's.
  CREATE TABLE visits_north (note text, id int NOT NULL, region text NOT NULL);
  ALTER TABLE visits ATTACH PARTITION visits_north FOR VALUES IN ('north');
  CREATE TABLE visits_south PARTITION OF visits FOR VALUES IN ('south') PARTITION BY RANGE (id);
  CREATE TABLE visits_south_1 PARTITION OF visits_south FOR VALUES FROM (1) TO (100);`

const COLUMNS = { region: text(), id: integer(), note: text().nullable() }

function visitsLane(name: string, tableName: string): LaneDefinition {
  const visits = table(tableName, { columns: COLUMNS, key: ['region', 'id'], aggregate: 'Visit', topic: topic('visits') })
  return shopLane(name, { tables: [visits], outbox: null })
}

let source: ReaderFixture
beforeEach(async () => {
  source = await openReaderFixture('reader partitions', DDL)
})
afterEach(async () => {
  await source.close()
})

async function started(tableName: string): Promise<RunningReader> {
  const reader = source.start({ lane: visitsLane(source.lane.name, tableName) })
  await reader.next('connected')
  return reader
}

async function eventsAfter(reader: RunningReader, sql: string): Promise<readonly (readonly [string, unknown])[]> {
  await source.caughtUp(reader)
  const before = (await source.events()).length
  await source.source.query(sql)
  await source.caughtUp(reader)
  return (await source.events()).slice(before).map((e) => [e.eventType, dataOf(e)])
}

test('by root: rows of every partition are the root’s; one that moves to another partition is deleted and created', async () => {
  await source.source.query(`INSERT INTO visits VALUES ('north', 1, 'loaded')`)
  const reader = await started('visits')
  expect((await source.events()).map(dataOf)).toEqual([{ op: 'r', after: { region: 'north', id: '1', note: 'loaded' } }])
  const events = await eventsAfter(
    reader,
    `INSERT INTO visits VALUES ('north', 2, 'n'), ('south', 2, 's');
     UPDATE visits_north SET note = 'through the leaf' WHERE id = 2;
     UPDATE visits SET region = 'south' WHERE id = 1;
     CREATE TABLE visits_west PARTITION OF visits FOR VALUES IN ('west');
     INSERT INTO visits VALUES ('west', 3, NULL);
     TRUNCATE visits`,
  )
  expect(events).toEqual([
    ['VisitCreated', { op: 'c', after: { region: 'north', id: '2', note: 'n' } }],
    ['VisitCreated', { op: 'c', after: { region: 'south', id: '2', note: 's' } }],
    ['VisitUpdated', { op: 'u', after: { region: 'north', id: '2', note: 'through the leaf' } }],
    ['VisitDeleted', { op: 'd', before: { region: 'north', id: '1' } }],
    ['VisitCreated', { op: 'c', after: { region: 'south', id: '1', note: 'loaded' } }],
    ['VisitCreated', { op: 'c', after: { region: 'west', id: '3', note: null } }],
    ['VisitTruncated', { op: 't' }],
  ])
  await reader.stop()
})

test('by leaf: a partition that is captured under its own name has its own rows, those written through the root too', async () => {
  const reader = await started('visits_north')
  const events = await eventsAfter(
    reader,
    `INSERT INTO visits VALUES ('north', 2, 'n'), ('south', 2, 's'); UPDATE visits SET region = 'south', id = 9 WHERE region = 'north';
     INSERT INTO visits_north VALUES ('own', 5, 'north'); TRUNCATE visits_north`,
  )
  expect(events).toEqual([
    ['VisitCreated', { op: 'c', after: { region: 'north', id: '2', note: 'n' } }],
    ['VisitDeleted', { op: 'd', before: { region: 'north', id: '2' } }],
    ['VisitCreated', { op: 'c', after: { region: 'north', id: '5', note: 'own' } }],
    ['VisitTruncated', { op: 't' }],
  ])
  await reader.stop()
})

test('replica identity: the key, the whole row, and the key’s index give the key; nothing is refused at the start', async () => {
  const reader = await started('visits_south_1')
  const changes = `INSERT INTO visits VALUES ('south', 1, 'a'); UPDATE visits SET note = 'b', id = 2; DELETE FROM visits`
  const updated = { region: 'south', id: '2', note: 'b' }
  const key = (id: string): object => ({ region: 'south', id })
  for (const [identity, before, deleted] of [
    ['DEFAULT', key('1'), key('2')],
    ['USING INDEX visits_south_1_pkey', key('1'), key('2')],
    ['FULL', { ...key('1'), note: 'a' }, updated],
  ] as const) {
    const events = await eventsAfter(reader, `ALTER TABLE visits_south_1 REPLICA IDENTITY ${identity}; ${changes}`)
    expect(events.slice(1).map(([, data]) => data)).toEqual([
      { op: 'u', before, after: updated },
      { op: 'd', before: deleted },
    ])
  }
  await reader.stop()
  await source.source.query('CREATE UNIQUE INDEX visits_south_1_id ON visits_south_1 (id)')
  for (const unusable of ['NOTHING', 'USING INDEX visits_south_1_id']) {
    await source.source.query(`ALTER TABLE visits_south_1 REPLICA IDENTITY ${unusable}`)
    await expect(source.start({ lane: visitsLane(source.lane.name, 'visits_south_1') }).done).rejects.toMatchObject({
      code: 'REPLICA_IDENTITY_UNUSABLE',
    })
  }
})

test('a reader starts beside a transaction that changes one partition and then another; neither waits for the other', async () => {
  await (await started('visits')).stop()
  await source.slotIsFree()
  await source.source.query('BEGIN; ALTER TABLE visits_south_1 REPLICA IDENTITY FULL')
  const reader = await started('visits')
  await source.source.query('ALTER TABLE visits_north REPLICA IDENTITY FULL; COMMIT')
  expect(await eventsAfter(reader, `INSERT INTO visits VALUES ('north', 1, 'after')`)).toEqual([
    ['VisitCreated', { op: 'c', after: { region: 'north', id: '1', note: 'after' } }],
  ])
  await reader.stop()
})

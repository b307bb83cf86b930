/**
 * Promise 9 for generated columns. PostgreSQL sends the stored ones from version 18 on, where the publication asks for it, and no
 * other one ever: so those tests have a source of that version, whatever the others run on.
 */
import { type RunningServers, printProgress, startServers } from '@sluice/infra'
import { type CapturedTable, bigint, integer, table, text, topic } from '@sluice/system'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, dataOf, openReaderFixture, shopLane } from './reader-fixture.ts'

const DDL = `
  CREATE TABLE items (
    id bigint PRIMARY KEY, name text, shout text GENERATED ALWAYS AS (upper(name)) STORED, size int GENERATED ALWAYS AS (length(name)) STORED
  );
  ALTER TABLE items ALTER shout SET STORAGE EXTERNAL;
  INSERT INTO items VALUES (1, 'loaded'), (2, NULL)`

const made = topic('made.all')
const plain = { key: ['id'] as const, aggregate: 'Item', topic: made }
const bare = table('items', { columns: { id: bigint(), name: text().nullable() }, ...plain })
const whole = table('items', {
  columns: { id: bigint(), name: text().nullable(), shout: text().nullable(), size: integer().nullable() },
  ...plain,
})

const CHANGES = `
  INSERT INTO items VALUES (3, 'new'); UPDATE items SET name = 'other' WHERE id = 1; UPDATE items SET name = NULL WHERE id = 3;
  DELETE FROM items WHERE id = 2`

let source: ReaderFixture
afterEach(async () => {
  await source.close()
})

async function started(items: CapturedTable): Promise<RunningReader> {
  const reader = source.start({ lane: shopLane(source.lane.name, { tables: [items], outbox: null }) })
  await reader.next('connected')
  return reader
}

async function dataAfter(reader: RunningReader, sql: string): Promise<readonly unknown[]> {
  await source.source.query(sql)
  await source.caughtUp(reader)
  return (await source.events()).map(dataOf)
}

test('a generated column that nobody names passes by, in the load and in the stream', async () => {
  source = await openReaderFixture('reader generated', DDL)
  const reader = await started(bare)
  expect(await dataAfter(reader, CHANGES)).toEqual([
    { op: 'r', after: { id: '1', name: 'loaded' } },
    { op: 'r', after: { id: '2', name: null } },
    { op: 'c', after: { id: '3', name: 'new' } },
    { op: 'u', after: { id: '1', name: 'other' } },
    { op: 'u', after: { id: '3', name: null } },
    { op: 'd', before: { id: '2' } },
  ])
  expect((await source.events()).every((event) => event.sentColumns === undefined)).toBe(true)
  await reader.stop()
})

describe('PostgreSQL 18', () => {
  let servers: RunningServers
  beforeAll(async () => {
    servers = await startServers({ monolith: true, postgres: '18', onProgress: printProgress(process.stderr) })
  })
  afterAll(async () => {
    await servers.stop()
  })

  async function open(): Promise<void> {
    source = await openReaderFixture('reader generated', DDL, servers.monolith.url)
  }

  test('stored ones that the definition names are in the load and in the stream alike', async () => {
    await open()
    const reader = await started(whole)
    expect(await dataAfter(reader, CHANGES)).toEqual([
      { op: 'r', after: { id: '1', name: 'loaded', shout: 'LOADED', size: '6' } },
      { op: 'r', after: { id: '2', name: null, shout: null, size: null } },
      { op: 'c', after: { id: '3', name: 'new', shout: 'NEW', size: '3' } },
      { op: 'u', after: { id: '1', name: 'other', shout: 'OTHER', size: '5' } },
      { op: 'u', after: { id: '3', name: null, shout: null, size: null } },
      { op: 'd', before: { id: '2' } },
    ])
    await reader.stop()
  })

  test('a large one that an update leaves as it is comes from the last image', async () => {
    await open()
    await source.source.query(`ALTER TABLE items ADD note text`)
    const noted = table('items', { ...plain, columns: { ...whole.columns, note: text().nullable() } })
    const reader = await started(noted)
    const all = await dataAfter(
      reader,
      `INSERT INTO items VALUES (4, repeat('x', 9000)); UPDATE items SET note = 'n' WHERE id = 4`,
    )
    const name = 'x'.repeat(9000)
    expect(all.at(-1)).toEqual({ op: 'u', after: { id: '4', name, shout: name.toUpperCase(), size: '9000', note: 'n' } })
    await reader.stop()
  })

  test('a virtual one passes by, and is refused where the definition names it', async () => {
    await open()
    await source.source.query(`ALTER TABLE items ADD half int GENERATED ALWAYS AS (id / 2) VIRTUAL`)
    const reader = await started(whole)
    expect((await dataAfter(reader, `INSERT INTO items VALUES (3, 'new')`)).at(-1)).toEqual({
      op: 'c',
      after: { id: '3', name: 'new', shout: 'NEW', size: '3' },
    })
    await reader.stop()
    const halved = table('items', { ...plain, columns: { ...whole.columns, half: integer().nullable() } })
    await expect(
      source.start({ lane: shopLane(source.lane.name, { tables: [halved], outbox: null }) }).done,
    ).rejects.toMatchObject({
      code: 'COLUMN_MISMATCH',
      why: 'public.items.half is a virtual generated column, which PostgreSQL does not replicate',
    })
  })

  test('one that comes into the definition later is refused until the publication sends it, and nothing comes without it', async () => {
    await open()
    const first = await started(bare)
    await source.caughtUp(first)
    await first.stop()
    const lane = shopLane(source.lane.name, { tables: [whole], outbox: null })
    const { publicationName } = lane
    await expect(source.start({ lane }).done).rejects.toMatchObject({
      code: 'PUBLICATION_CHANGED',
      why: 'of public.items it does not send shout, size',
      ways: expect.arrayContaining([
        `ALTER PUBLICATION "${publicationName}" SET (publish_generated_columns = stored)`,
      ]) as unknown,
    })
    // The way out: it sends them first, and what was written until then is passed under the former definition.
    await source.source.query(`INSERT INTO items VALUES (3, 'before')`)
    await source.source.query(`ALTER PUBLICATION ${publicationName} SET (publish_generated_columns = stored)`)
    const between = await started(bare)
    await source.caughtUp(between)
    await between.stop()
    const reader = await started(whole)
    expect((await dataAfter(reader, `INSERT INTO items VALUES (4, 'after')`)).slice(2)).toEqual([
      { op: 'c', after: { id: '3', name: 'before' } },
      { op: 'c', after: { id: '4', name: 'after', shout: 'AFTER', size: '5' } },
    ])
    expect((await source.events()).every((event) => event.sentColumns === undefined)).toBe(true)
    await reader.stop()
  })

  test('a publication that stands before the lane is begun is made to send them', async () => {
    await open()
    const { publicationName } = source.lane
    await source.source.query(`CREATE PUBLICATION ${publicationName} FOR TABLE items WITH (publish_via_partition_root = true)`)
    const reader = await started(whole)
    expect((await dataAfter(reader, `INSERT INTO items VALUES (3, 'new')`)).at(-1)).toEqual({
      op: 'c',
      after: { id: '3', name: 'new', shout: 'NEW', size: '3' },
    })
    await reader.stop()
  })
})

/**
 * Promise 1: no protocol version or option changes what a change is. The same WAL is read twice, whole and streamed, into two
 * pipeline databases with one epoch, and must give the same events, versions and chain, byte for byte.
 */
import { isDeepStrictEqual } from 'node:util'
import { type StoredEvent, formatLsn, positionNumber, silentLogger } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { createEventReader, createLane, durableLsnOf, getLane, migrateStore, verifyChain } from '@sluice/store'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type ReaderFixture, type RunningReader, SYSTEM, openReaderFixture, requiredUrl, shopLane } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

/** The version that streaming readers ask for, which no setting of theirs lowers; null: the highest that the server has. */
const asked = vi.hoisted((): { version: number | null } => ({ version: null }))
vi.mock(import('../src/replication/stream-protocol.ts'), async (importOriginal) => {
  const original = await importOriginal()
  return {
    ...original,
    streamingProtocol: async (client) =>
      asked.version === null ? original.streamingProtocol(client) : { version: asked.version, isStreaming: true },
  }
})

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('reader equality')
})
afterEach(async () => {
  asked.version = null
  await shop.close()
})

/** Every change is streamed by itself, however small its transaction is; PostgreSQL 15 streams nothing below 64 kB. */
async function streamedSource(target: PostgresTarget): Promise<PostgresTarget> {
  const options = (await streamsAll()) ? '-c debug_logical_replication_streaming=immediate' : '-c logical_decoding_work_mem=64kB'
  return { ...target, config: { ...target.config, options } }
}

async function streamsAll(): Promise<boolean> {
  const { rowCount } = await shop.source.query(`SELECT FROM pg_settings WHERE name = 'debug_logical_replication_streaming'`)
  return rowCount === 1
}

/** Version 2 came with PostgreSQL 14, and one more with each of the next two. */
async function hasVersion(version: number): Promise<boolean> {
  const { rows } = await shop.source.query<{ major: number }>(
    `SELECT current_setting('server_version_num')::integer / 10000 AS major`,
  )
  return rows[0]!.major >= version + 12
}

/** What the server was asked for, by who reads the slot. */
async function protocolOf(slotName: string): Promise<string | undefined> {
  const { rows } = await shop.source.query<{ query: string }>(
    `SELECT a.query FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`,
    [slotName],
  )
  return /proto_version '\d'(, streaming 'on')?/.exec(rows[0]?.query ?? '')?.[0]
}

interface Twin {
  readonly events: readonly StoredEvent[]
  readonly head: string
  readonly reader: RunningReader
  /** Undefined while it connects again. */
  readonly protocol: string | undefined
}

/** Runs the SQL, then reads its WAL in both ways. */
async function readBothWays(run: () => Promise<void>): Promise<{ whole: Twin; streamed: Twin }> {
  // The lane is made once, and its database copied: so both have one epoch, and their slots begin at one place.
  const first = shop.start()
  await first.next('connected')
  await shop.caughtUp(first)
  await first.stop()
  const twinLane = shopLane(shop.lane.name, { slotName: `${shop.lane.slotName}_twin` })
  await shop.source.query('SELECT pg_copy_logical_replication_slot($1, $2)', [shop.lane.slotName, twinLane.slotName])
  const twinDatabase = await createTestDatabase(requiredUrl('SLUICE_TEST_PIPELINE_URL'), 'reader twin')
  const twinPipeline = postgresTarget('pipeline', twinDatabase.url)
  try {
    await copyLane(shop.pipelineTarget, twinPipeline, twinLane.slotName)
    await run()
    const whole = shop.start({ limits: { streamsTransactions: false } })
    const streamed = shop.start({
      lane: twinLane,
      source: await streamedSource(shop.sourceTarget),
      pipeline: twinPipeline,
      limits: { spoolFolder: null },
    })
    const wholeTwin = await stored(whole, shop.pipelineTarget, shop.lane.slotName)
    const streamedTwin = await stored(streamed, twinPipeline, twinLane.slotName)
    return { whole: wholeTwin, streamed: streamedTwin }
  } finally {
    await shop.stopAll()
    await shop.source.query('SELECT pg_drop_replication_slot($1)', [twinLane.slotName])
    await twinDatabase.drop()
  }
}

/** The lane as it stands, in another database: with its epoch, and another slot. */
async function copyLane(from: PostgresTarget, to: PostgresTarget, slotName: string): Promise<void> {
  await migrateStore(to)
  const [source, target] = [await connect(from, { applicationName: 'test' }), await connect(to, { applicationName: 'test' })]
  const record = await getLane(source, SYSTEM.name, shop.lane.name)
  await target.query('BEGIN')
  await createLane(target, { ...record, slotName, outboxTopic: null })
  await target.query('UPDATE sources SET epoch = $1', [record.sourceEpoch])
  await target.query('UPDATE lanes SET epoch = $1, head = $2, keepalive_lsn = $3', [
    record.epoch,
    record.head,
    formatLsn(durableLsnOf(record)),
  ])
  const { rows } = await source.query<{ load: unknown }>('SELECT to_jsonb(m) AS load FROM data_migration_state m')
  for (const { load } of rows) {
    await target.query('INSERT INTO data_migration_state SELECT * FROM jsonb_populate_record(NULL::data_migration_state, $1)', [
      load,
    ])
  }
  await target.query('COMMIT')
  await Promise.all([source.end(), target.end()])
}

async function stored(reader: RunningReader, pipeline: PostgresTarget, slotName: string): Promise<Twin> {
  const store = await connect(pipeline, { applicationName: 'test' })
  const events = createEventReader(pipeline, { logger: silentLogger })
  try {
    await shop.caughtUp(reader, store)
    const record = await getLane(store, SYSTEM.name, shop.lane.name)
    expect(await verifyChain(pipeline, record)).toMatchObject({ isWhole: true })
    return {
      events: await events.events(record.lane, positionNumber(0), record.position),
      head: record.head.toString('hex'),
      reader,
      protocol: await protocolOf(slotName),
    }
  } finally {
    await Promise.all([events.close(), store.end()])
  }
}

function expectEqual({ whole, streamed }: { whole: Twin; streamed: Twin }): void {
  const different = whole.events.findIndex((event, i) => !isDeepStrictEqual(event, streamed.events[i]))
  // One of them, since a difference between thousands is not shown.
  expect(streamed.events[different]).toEqual(whole.events[different])
  expect(streamed.events).toHaveLength(whole.events.length)
  expect(streamed.head).toBe(whole.head)
}

/** What tells one event from another, for tests that name their events. */
function shortly(events: readonly StoredEvent[]): readonly unknown[] {
  return events.map((e) => [e.ordinal, e.eventType, e.aggregateKey, e.correlationId.replace(/^tx-.*/, 'tx')])
}

test.for([2, 3, 4])(
  'savepoints, rolled back parts, released ones, and sub-transactions of functions: the same events by version %d as by version 1',
  async (version, { skip }) => {
    skip(!(await hasVersion(version)), `the server does not have version ${version}`)
    asked.version = version
    const twins = await readBothWays(async () => {
      await shop.source.query(`
      BEGIN;
      INSERT INTO customers VALUES (1, 'kept', NULL);
      SAVEPOINT a; INSERT INTO customers VALUES (2, 'gone', NULL); UPDATE customers SET name = 'gone too' WHERE id = 1;
      SAVEPOINT b; INSERT INTO customers VALUES (3, 'gone', NULL); RELEASE b;
      ROLLBACK TO a; INSERT INTO customers VALUES (4, 'kept', NULL); RELEASE a;
      INSERT INTO customers VALUES (5, 'kept', repeat('x', 9000));
      DO $$ BEGIN FOR i IN 6..9 LOOP BEGIN
        INSERT INTO customers VALUES (i, 'n', NULL); IF i % 2 = 0 THEN RAISE 'no'; END IF;
      EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$;
      UPDATE customers SET name = 'renamed' WHERE id = 5;
      DELETE FROM customers WHERE id = 4;
      COMMIT;
      BEGIN; INSERT INTO customers VALUES (50, 'all of it is rolled back', NULL); ROLLBACK;
      BEGIN; INSERT INTO customers VALUES (51, 'swap', NULL); TRUNCATE lines, unwatched; COMMIT;`)
    })
    expect([twins.whole.protocol, twins.streamed.protocol]).toEqual([
      `proto_version '1'`,
      `proto_version '${version}', streaming 'on'`,
    ])
    expectEqual(twins)
    expect(shortly(twins.whole.events)).toEqual([
      [0, 'CustomerCreated', '1', 'tx'],
      [1, 'CustomerCreated', '4', 'tx'],
      [2, 'CustomerCreated', '5', 'tx'],
      [3, 'CustomerCreated', '7', 'tx'],
      [4, 'CustomerCreated', '9', 'tx'],
      [5, 'CustomerUpdated', '5', 'tx'],
      [6, 'CustomerDeleted', '4', 'tx'],
      [0, 'CustomerCreated', '51', 'tx'],
      [1, 'LineTruncated', expect.anything(), 'tx'],
    ])
  },
)

const context = (id: string): string => `SELECT pg_logical_emit_message(true, 'sluice.context', '{"correlationId":"${id}"}')`

test.each([
  {
    what: 'rolled back, and nothing kept since: read again',
    sql: `
      BEGIN; ${context('first')}; INSERT INTO customers VALUES (1, 'n', NULL);
      SAVEPOINT a; ${context('rolled back')}; INSERT INTO customers VALUES (2, 'gone', NULL); ROLLBACK TO a;
      SELECT pg_logical_emit_message(false, 'sluice.other', 'at once'), pg_logical_emit_message(true, 'other', 'not ours');
      INSERT INTO customers VALUES (3, 'of the first', NULL); COMMIT;
      BEGIN; INSERT INTO customers VALUES (4, 'by itself', NULL); COMMIT;`,
    events: [
      [1, 'CustomerCreated', '1', 'first'],
      [2, 'CustomerCreated', '3', 'first'],
      [0, 'CustomerCreated', '4', 'tx'],
    ],
    readAgain: 1,
  },
  {
    what: 'the only one of its transaction is rolled back: read again',
    sql: `BEGIN; SAVEPOINT b; ${context('alone')}; ROLLBACK TO b; INSERT INTO customers VALUES (5, 'of none', NULL); COMMIT;`,
    events: [[0, 'CustomerCreated', '5', 'tx']],
    readAgain: 1,
  },
  {
    what: 'followed by a row that was kept: not read again',
    sql: `
      BEGIN; ${context('kept')}; INSERT INTO customers VALUES (6, 'n', NULL);
      SAVEPOINT c; INSERT INTO customers VALUES (7, 'gone', NULL); ROLLBACK TO c; INSERT INTO customers VALUES (8, 'kept', NULL); COMMIT;`,
    events: [
      [1, 'CustomerCreated', '6', 'kept'],
      [2, 'CustomerCreated', '8', 'kept'],
    ],
    readAgain: 0,
  },
])('a context message, $what, and gives the same events', async ({ sql, events, readAgain }) => {
  const twins = await readBothWays(async () => {
    await shop.source.query(sql)
  })
  expectEqual(twins)
  expect(shortly(twins.whole.events)).toEqual(events)
  // Reading again ends only once its batch is stored, which may hold the next doubtful transaction too: so there is one a test.
  expect(twins.streamed.reader.progress.filter((p) => p.kind === 'read-again')).toHaveLength((await streamsAll()) ? readAgain : 0)
  expect(twins.whole.reader.progress.filter((p) => p.kind === 'read-again')).toHaveLength(0)
})

test('a context message holds for the change right after it, though that is of a savepoint: the same either way', async () => {
  const twins = await readBothWays(async () => {
    await shop.source.query(`INSERT INTO customers SELECT i, 'n', NULL FROM generate_series(1, 9) AS i`)
    await shop.source.query(`
      BEGIN; UPDATE customers SET name = 'before' WHERE id = 1; SAVEPOINT a; UPDATE customers SET name = 'a' WHERE id = 2; RELEASE a;
      ${context('of the transaction')}; SAVEPOINT b; DELETE FROM customers WHERE id = 3; DELETE FROM customers WHERE id = 4; RELEASE b;
      SAVEPOINT c; UPDATE customers SET name = 'c' WHERE id = 5;
      SAVEPOINT d; ${context('of a part')}; RELEASE d; UPDATE customers SET name = 'c' WHERE id = 6; RELEASE c;
      UPDATE customers SET name = 'after' WHERE id = 7; COMMIT`)
  })
  expectEqual(twins)
  expect(shortly(twins.whole.events.filter((e) => e.eventType !== 'CustomerCreated'))).toEqual([
    [0, 'CustomerUpdated', '1', 'tx'],
    [1, 'CustomerUpdated', '2', 'tx'],
    [3, 'CustomerDeleted', '3', 'of the transaction'],
    [4, 'CustomerDeleted', '4', 'of the transaction'],
    [5, 'CustomerUpdated', '5', 'of the transaction'],
    [7, 'CustomerUpdated', '6', 'of a part'],
    [8, 'CustomerUpdated', '7', 'of a part'],
  ])
})

test('a table that is altered inside of a streamed transaction, rolled back or kept, is read with the columns that count', async () => {
  const twins = await readBothWays(async () => {
    await shop.source.query(`
      BEGIN; INSERT INTO customers VALUES (1, 'before', NULL);
      SAVEPOINT a; ALTER TABLE customers ADD COLUMN extra int DEFAULT 7; INSERT INTO customers VALUES (2, 'gone', NULL, 1); ROLLBACK TO a;
      INSERT INTO customers VALUES (3, 'after', 'b'); COMMIT;
      BEGIN; ALTER TABLE customers ADD COLUMN extra int DEFAULT 7; INSERT INTO customers VALUES (4, 'gone', NULL, 1); ROLLBACK;
      INSERT INTO customers VALUES (5, 'whole', 'b');
      BEGIN; INSERT INTO customers VALUES (6, 'narrow', 'b'); ALTER TABLE customers ADD COLUMN extra int DEFAULT 7;
      INSERT INTO customers VALUES (7, 'wide', 'b', 8); COMMIT;
      INSERT INTO customers VALUES (8, 'wide', 'b', 9)`)
  })
  expectEqual(twins)
  expect(twins.whole.events.map((e) => e.eventData)).toEqual([
    '{"op":"c","after":{"id":"1","name":"before","bio":null}}',
    '{"op":"c","after":{"id":"3","name":"after","bio":"b"}}',
    '{"op":"c","after":{"id":"5","name":"whole","bio":"b"}}',
    '{"op":"c","after":{"id":"6","name":"narrow","bio":"b"}}',
    '{"op":"c","after":{"id":"7","name":"wide","bio":"b"}}',
    '{"op":"c","after":{"id":"8","name":"wide","bio":"b"}}',
  ])
})

test('changes that another server’s replication wrote come with their origin, which makes no difference', async () => {
  const origin = `origin_${shop.lane.name}`
  const twins = await readBothWays(async () => {
    await shop.source.query('SELECT pg_replication_origin_create($1)', [origin])
    await shop.source.query('SELECT pg_replication_origin_session_setup($1)', [origin])
    await shop.source.query(`
      BEGIN; SELECT pg_replication_origin_xact_setup('0/1234', now()); INSERT INTO customers VALUES (1, 'from afar', NULL);
      SAVEPOINT a; INSERT INTO customers VALUES (2, 'gone', NULL); ROLLBACK TO a; UPDATE customers SET name = 'changed' WHERE id = 1; COMMIT`)
    await shop.source.query('SELECT pg_replication_origin_session_reset(), pg_replication_origin_drop($1)', [origin])
    await shop.source.query(`INSERT INTO customers VALUES (3, 'its own', NULL)`)
  })
  expectEqual(twins)
  expect(shortly(twins.whole.events)).toEqual([
    [0, 'CustomerCreated', '1', 'tx'],
    [1, 'CustomerUpdated', '1', 'tx'],
    [0, 'CustomerCreated', '3', 'tx'],
  ])
})

const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)

/** Statements of a random transaction; savepoints nest, and are rolled back or released. */
function randomTransaction(random: (below: number) => number): readonly string[] {
  const statements: string[] = []
  let depth = 0
  const row = (): number => random(200)
  for (let i = random(25) + 1; i > 0; i -= 1) {
    switch (random(12)) {
      case 0:
      case 1:
        statements.push(`SAVEPOINT s${(depth += 1)}`)
        break
      case 2:
        if (depth > 0) statements.push(`ROLLBACK TO s${random(2) === 0 ? depth : (depth = random(depth) + 1)}`)
        break
      case 3:
        if (depth > 0) statements.push(`RELEASE s${depth--}`)
        break
      case 4:
        statements.push(`SELECT pg_logical_emit_message(true, 'sluice.context', '{"correlationId":"c${random(1000)}"}')`)
        break
      case 5:
        statements.push(`SELECT pg_logical_emit_message(${random(2) === 0 ? 'true' : 'false'}, 'another', 'x')`)
        break
      case 6:
        statements.push(`INSERT INTO unwatched VALUES (${random(1e9)}, 'u') ON CONFLICT DO NOTHING`)
        break
      case 7:
        statements.push(`DELETE FROM customers WHERE id = ${row()}`)
        break
      case 9:
        // Rarely: an alteration waits for every other writer.
        if (random(5) === 0) {
          const change = random(2) === 0 ? 'ADD COLUMN IF NOT EXISTS extra int DEFAULT 1' : 'DROP COLUMN IF EXISTS extra'
          statements.push(`ALTER TABLE customers ${change}`)
        }
        break
      case 8:
        statements.push(`UPDATE customers SET id = id + 100000 * ${random(50)}, name = name || '!' WHERE id = ${row()}`)
        break
      default:
        statements.push(
          `INSERT INTO customers (id, name, bio) VALUES (${row()}, 'n${random(1000)}', repeat('b', ${random(4000)}))
           ON CONFLICT (id) DO UPDATE SET name = 'again', bio = CASE WHEN ${random(2)} = 0 THEN customers.bio END`,
        )
    }
  }
  return ['BEGIN', ...statements, random(6) === 0 ? 'ROLLBACK' : 'COMMIT']
}

test('three random writers at once, who also alter the table: the same events either way', async () => {
  process.stdout.write(`stream equality: SLUICE_TEST_SEED=${SEED}\n`)
  const twins = await readBothWays(async () => {
    await Promise.all([1, 2, 3].map((writer) => writeRandomly(seeded(SEED + writer))))
  })
  expectEqual(twins)
  expect(twins.whole.events.length).toBeGreaterThan(300)
  expect(twins.streamed.reader.progress.some((p) => p.kind === 'read-again')).toBe(await streamsAll())
})

async function writeRandomly(random: (below: number) => number): Promise<void> {
  const client = await connect(shop.sourceTarget, { applicationName: 'writer' })
  try {
    await client.query(`SET deadlock_timeout = '20ms'`)
    for (let i = 0; i < 120; i += 1) {
      for (const statement of randomTransaction(random)) {
        try {
          await client.query(statement)
        } catch {
          // A deadlock or a key that is taken: the transaction is rolled back as a whole.
          await client.query('ROLLBACK')
          break
        }
      }
    }
  } finally {
    await client.end()
  }
}

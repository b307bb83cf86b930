/** Promise 1: every start checks the hand-over; a mismatch stops with the way to repair it, never with a silent gap. */
import { connect, withDatabase } from '@sluice/postgres'
import { getLane } from '@sluice/store'
import { createTestDatabase } from '@sluice/infra'
import { numeric, table, text, topic, uuid } from '@sluice/system'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ReaderFixture, SYSTEM, orders, openReaderFixture, requiredUrl, shopLane } from './reader-fixture.ts'

let shop: ReaderFixture
beforeEach(async () => {
  shop = await openReaderFixture('reader start')
})
afterEach(async () => {
  await shop.close()
})

/** A lane that has read something and was stopped. */
async function stoppedLane(): Promise<void> {
  const reader = shop.start()
  await reader.next('connected')
  await shop.source.query(`INSERT INTO customers VALUES (1, 'n', NULL)`)
  await shop.caughtUp(reader)
  await reader.stop()
}

/** Until a slot's creation waits for a transaction. */
async function slotIsWaiting(): Promise<void> {
  for (;;) {
    const { rowCount } = await shop.source.query(
      `SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE_REPLICATION_SLOT%' AND wait_event_type = 'Lock' AND datname = current_database()`,
    )
    if (rowCount === 1) return
  }
}

async function expectRefused(code: string, why: RegExp): Promise<void> {
  const before = (await shop.events()).length
  const refused = shop.start().done
  await expect(refused).rejects.toMatchObject({ code, why: expect.stringMatching(why) as unknown })
  await expect(refused).rejects.toSatisfy((error: { ways: string[] }) => error.ways.every((way) => way.length > 10))
  expect(await shop.events()).toHaveLength(before)
}

describe('a lane that is known', () => {
  test('its slot was dropped', async () => {
    await stoppedLane()
    await shop.source.query('SELECT pg_drop_replication_slot($1)', [shop.lane.slotName])
    await expectRefused('SLOT_MISSING', /can no longer be read/)
  })

  test('its slot was advanced past what is stored', async () => {
    await stoppedLane()
    await shop.source.query(`INSERT INTO customers VALUES (2, 'lost', NULL)`)
    await shop.source.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [shop.lane.slotName])
    await expectRefused(
      'SLOT_AHEAD',
      /^it was confirmed up to [0-9A-F]+\/[0-9A-F]+, the lane is stored up to [0-9A-F]+\/[0-9A-F]+$/,
    )
  })

  test('the URL is that of another database of the server', async () => {
    await stoppedLane()
    const other = await createTestDatabase(requiredUrl('SLUICE_TEST_MONOLITH_URL'), 'reader other')
    const refused = shop.start({ source: withDatabase(shop.sourceTarget, other.name) }).done
    await expect(refused).rejects.toMatchObject({ code: 'SOURCE_CHANGED', why: expect.stringContaining(other.name) as unknown })
    await other.drop()
  })

  test('the source is another server', async () => {
    await stoppedLane()
    await shop.store.query(`UPDATE sources SET system_identifier = '1'`)
    await expectRefused('SOURCE_CHANGED', /the lane was read from 1$/)
  })

  test('the source is on a timeline that does not lead from the stored one', async () => {
    await stoppedLane()
    await shop.store.query(`UPDATE lanes SET timeline = 9`)
    await expectRefused('SOURCE_CHANGED', /timeline 9 is not in its history/)
  })

  test('the source was restored from an older copy: its WAL ends before the stored position', async () => {
    await stoppedLane()
    await shop.store.query(`UPDATE lanes SET stored_lsn = 'FF/0', keepalive_lsn = NULL`)
    await expectRefused('SOURCE_BEHIND', /the lane stands at FF\/0/)
  })

  test('its publication no longer has a table that was loaded', async () => {
    await stoppedLane()
    await shop.source.query(`ALTER PUBLICATION ${shop.lane.publicationName} DROP TABLE customers`)
    await expectRefused('PUBLICATION_CHANGED', /does not publish public.customers any more/)
  })

  test('another reader reads the slot: the second fails, and nothing is doubled', async () => {
    const first = shop.start()
    await first.next('connected')
    await expectRefused('SLOT_IN_USE', /^server process \d+ reads from it$/)
    await shop.source.query(`INSERT INTO customers VALUES (1, 'n', NULL)`)
    await shop.caughtUp(first)
    expect(await shop.events()).toHaveLength(1)
    await first.stop()
  })

  test('another reader moved the lane: compare-and-set stops this one, and it stores nothing more', async () => {
    const reader = shop.start()
    await reader.next('connected')
    await shop.store.query(`UPDATE lanes SET stored_lsn = stored_lsn + 1`)
    await shop.source.query(`INSERT INTO customers VALUES (1, 'n', NULL)`)
    await expect(reader.done).rejects.toMatchObject({ code: 'LANE_TAKEN' })
    expect(await shop.events()).toHaveLength(0)
  })
})

describe('a lane that is new', () => {
  test('a slot of its name that this pipeline did not make is not touched', async () => {
    await shop.source.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [shop.lane.slotName])
    await expect(shop.start().done).rejects.toMatchObject({ code: 'SLOT_FOREIGN' })
    const { rowCount } = await shop.source.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [shop.lane.slotName])
    expect(rowCount).toBe(1)
  })

  test('killed between making the slot and noting it, the next start drops that slot and makes it anew', async () => {
    await stoppedLane()
    const slot = await shop.source.query<{ lsn: string }>(
      `SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1`,
      [shop.lane.slotName],
    )
    await shop.store.query(`DELETE FROM data_migration_state`)
    await shop.store.query(`DELETE FROM event_store; DELETE FROM event_commits; DELETE FROM aggregate_heads`)
    await shop.store.query(
      `UPDATE lanes SET phase = 'creating', position = 0, link = 0, head = sha256(uuid_send(epoch)), stored_lsn = '0/0', keepalive_lsn = NULL`,
    )
    const reader = shop.start()
    await reader.next('connected')
    await shop.caughtUp(reader)
    await reader.stop()
    expect((await shop.events()).map((e) => e.eventType)).toEqual(['CustomerMigrated'])
    expect(slot.rows).toHaveLength(1)
  })

  test('its slot waits for an open write transaction: bounded, and the blocker is named', async () => {
    const writer = await connect(shop.sourceTarget, { applicationName: 'nightly import' })
    await writer.query('BEGIN')
    await writer.query(`INSERT INTO customers VALUES (1, 'open', NULL)`)
    await expect(shop.start({ limits: { slotCreationMs: 500 } }).done).rejects.toMatchObject({
      code: 'SLOT_CREATION_BLOCKED',
      why: expect.stringMatching(/pid \d+ nightly import open for \d+ s/) as unknown,
    })
    const waiting = shop.start()
    await slotIsWaiting()
    await waiting.stop()
    await writer.query('COMMIT')
    await writer.end()
    const reader = shop.start()
    await reader.next('connected')
    await reader.stop()
    expect((await getLane(shop.store, SYSTEM.name, shop.lane.name)).phase).toBe('streaming')
  })

  test('every difference between tables and definition is told at once', async () => {
    await shop.source.query(`
      DROP TABLE lines; CREATE TABLE lines (order_id uuid NOT NULL, line int NOT NULL, sku varchar(40) NOT NULL);
      ALTER TABLE orders ALTER COLUMN price TYPE numeric(10,1), DROP COLUMN note, ALTER COLUMN placed_at DROP NOT NULL;
      DROP TABLE outbox; ALTER TABLE customers REPLICA IDENTITY NOTHING`)
    await expect(shop.start().done).rejects.toMatchObject({
      code: 'PRIMARY_KEY_MISSING',
      why: [
        'table public.lines has no primary key',
        'column public.orders.note does not exist',
        'public.orders.price has type numeric(10,1), the definition says numeric(12,2)',
        'public.orders.placed_at may be NULL, the definition says it may not',
        'public.customers has REPLICA IDENTITY NOTHING, so updates and deletes would be refused once it is published',
        'table public.outbox does not exist',
      ].join('; '),
    })
    const { rowCount } = await shop.source.query('SELECT FROM pg_publication')
    expect(rowCount).toBe(0)
  })

  test('a table that does not exist, and a generated column that the server never sends', async () => {
    const { rows } = await shop.source.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`)
    const [form, why] =
      rows[0]!.version < 180000
        ? ['STORED', 'a generated column, which PostgreSQL replicates from version 18 on']
        : ['VIRTUAL', 'a virtual generated column, which PostgreSQL does not replicate']
    await shop.source.query(
      `CREATE TABLE made (id uuid PRIMARY KEY, twice numeric(9,0) NOT NULL GENERATED ALWAYS AS (2) ${form}, thrice int GENERATED ALWAYS AS (3) ${form})`,
    )
    const made = table('made', { columns: { id: uuid(), twice: numeric(9) }, key: ['id'], aggregate: 'Made', topic: topic('t') })
    const gone = table('gone', { columns: { id: text() }, key: ['id'], aggregate: 'Gone', topic: topic('t') })
    const lane = shopLane(shop.lane.name, { tables: [gone, made, orders] })
    await expect(shop.start({ lane }).done).rejects.toMatchObject({
      code: 'TABLE_MISSING',
      why: `table public.gone does not exist; public.made.twice is ${why}`,
      ways: expect.arrayContaining([expect.stringMatching(/^take twice out .* and compute it in the mapping/)]) as unknown,
    })
  })

  test('a pipeline database without tables is told', async () => {
    await shop.store.query('DROP TABLE sluice_store_migrations')
    await expect(shop.start().done).rejects.toMatchObject({ code: 'STORE_NOT_PROVISIONED' })
  })

  test('a lane with an outbox alone has nothing to load', async () => {
    await shop.source.query(
      `INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('A', '1', 'Before', '{}')`,
    )
    const lane = shopLane(shop.lane.name, { tables: [] })
    const reader = shop.start({ lane })
    await reader.next('connected')
    await shop.source.query(
      `INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('A', '1', 'After', '{}')`,
    )
    await shop.source.query(`INSERT INTO customers VALUES (1, 'not captured', NULL)`)
    await shop.caughtUp(reader)
    await reader.stop()
    expect((await shop.events()).map((e) => e.eventType)).toEqual(['After'])
  })
})

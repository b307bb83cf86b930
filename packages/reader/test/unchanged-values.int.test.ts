/**
 * Values that PostgreSQL does not send, since they lie out of line and did not change: events have them all the same, from the old
 * row or the row's last image, and never another row's.
 */
import { type StoredEvent, parseEventData } from '@sluice/core'
import { getLane, verifyChain } from '@sluice/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, SYSTEM, openReaderFixture } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

let shop: ReaderFixture
let reader: RunningReader
beforeEach(async () => {
  shop = await openReaderFixture('reader unchanged')
  reader = shop.start()
  await reader.next('connected')
})
afterEach(async () => {
  await shop.close()
})

/** So long that it lies out of line. */
function large(letter: string): string {
  return letter.repeat(9000)
}

/** Runs transactions, each of them one text, and gives the rows after each change; null for a delete or truncate. */
async function rowsAfter(...transactions: readonly string[]) {
  return (await eventsOf(...transactions)).map(rowOf)
}

async function eventsOf(...transactions: readonly string[]): Promise<readonly StoredEvent[]> {
  await shop.caughtUp(reader)
  const before = (await shop.events()).length
  for (const text of transactions) await shop.source.query(text)
  await shop.caughtUp(reader)
  return (await shop.events()).slice(before)
}

function rowOf(event: StoredEvent) {
  const data = parseEventData(event.eventData)
  return 'after' in data ? data.after : null
}

async function restart(): Promise<void> {
  await reader.stop()
  reader = shop.start()
  await reader.next('connected')
}

async function chainIsWhole(): Promise<void> {
  const record = await getLane(shop.store, SYSTEM.name, shop.lane.name)
  expect(await verifyChain(shop.pipelineTarget, record)).toMatchObject({ isWhole: true })
}

test('it comes from the last image in the store, also after a restart, and through updates that lacked it themselves', async () => {
  await rowsAfter(`INSERT INTO customers VALUES (1, 'a', repeat('x', 9000)), (2, 'b', repeat('y', 9000))`)
  expect(await rowsAfter(`UPDATE customers SET name = 'c'`)).toEqual([
    { id: '1', name: 'c', bio: large('x') },
    { id: '2', name: 'c', bio: large('y') },
  ])
  await restart()
  expect(await rowsAfter(`UPDATE customers SET name = 'd' WHERE id = 2`)).toEqual([{ id: '2', name: 'd', bio: large('y') }])
  await chainIsWhole()
})

test('it comes from the same transaction, and what changed there counts', async () => {
  const rows = await rowsAfter(
    `INSERT INTO customers VALUES (1, 'a', repeat('x', 9000)); UPDATE customers SET name = 'b';
     UPDATE customers SET bio = repeat('z', 9000); UPDATE customers SET name = 'c'; UPDATE customers SET name = 'd'`,
  )
  expect(rows.map((row) => [row?.['name'], row?.['bio']])).toEqual([
    ['a', large('x')],
    ['b', large('x')],
    ['b', large('z')],
    ['c', large('z')],
    ['d', large('z')],
  ])
})

test('characters that JSON escapes stay what they were', async () => {
  const bio = 'a "quote", a \\ and a\nline, 東京 🚰 \u0001'.repeat(300)
  await shop.source.query('INSERT INTO customers VALUES (1, $1, $2)', ['a', bio])
  expect(await rowsAfter(`UPDATE customers SET name = 'b'`)).toEqual([{ id: '1', name: 'b', bio }])
})

test('with replica identity FULL it comes from the old row', async () => {
  await shop.source.query(`ALTER TABLE customers REPLICA IDENTITY FULL; INSERT INTO customers VALUES (1, 'a', repeat('x', 9000))`)
  await shop.caughtUp(reader)
  // The store can't help.
  await shop.store.query('UPDATE aggregate_heads SET image_position = NULL')
  expect(await rowsAfter(`UPDATE customers SET name = 'b'`)).toEqual([{ id: '1', name: 'b', bio: large('x') }])
})

test('a row that changes its key keeps its value there, and the key that it left has none of it', async () => {
  await rowsAfter(`INSERT INTO customers VALUES (1, 'a', repeat('x', 9000))`)
  expect(await rowsAfter(`UPDATE customers SET id = 2`)).toEqual([{ id: '2', name: 'a', bio: large('x') }])
  await restart()
  expect(await rowsAfter(`UPDATE customers SET name = 'b'`)).toEqual([{ id: '2', name: 'b', bio: large('x') }])
  const heads = await shop.store.query<{ n: string }>('SELECT count(*)::text AS n FROM aggregate_heads WHERE image_position = 0')
  expect(heads.rows[0]?.n).toBe('1')
})

test('a key that was deleted and taken by another row has the other row’s value, never the earlier one', async () => {
  await rowsAfter(`INSERT INTO customers VALUES (1, 'a', repeat('x', 9000)), (2, 'b', repeat('y', 9000))`)
  const rows = await rowsAfter(
    `DELETE FROM customers WHERE id = 1`,
    `UPDATE customers SET id = 1 WHERE id = 2`,
    `UPDATE customers SET name = 'c' WHERE id = 1`,
    `BEGIN; DELETE FROM customers; INSERT INTO customers VALUES (1, 'd', repeat('z', 9000)); UPDATE customers SET name = 'e'; COMMIT`,
  )
  expect(rows.map((row) => row?.['bio'] ?? null)).toEqual([null, large('y'), large('y'), null, large('z'), large('z')])
})

test('what no image has is absent, never NULL and never an earlier life’s: deleted, truncated, removed from the store', async () => {
  await rowsAfter(
    `INSERT INTO customers VALUES (1, 'a', repeat('x', 9000)), (2, 'b', repeat('y', 9000)), (3, 'c', repeat('z', 9000))`,
  )
  await reader.stop()
  // As if the stream had told these ends, and not how the rows came back: what a row's image says of another life is not taken.
  const { rows } = await shop.store.query<{ position: string }>('SELECT max(position)::text AS position FROM event_store')
  await shop.store.query(
    `UPDATE aggregate_heads SET image_position = 0 WHERE aggregate_id = (SELECT aggregate_id FROM event_store WHERE aggregate_key = '1')`,
  )
  await shop.store.query(`DELETE FROM event_store WHERE aggregate_key = '2'`)
  reader = shop.start()
  await reader.next('connected')
  await shop.source.query(`UPDATE customers SET name = 'd'`)
  await shop.caughtUp(reader)
  const stored = await shop.store.query<{ data: string }>(
    'SELECT event_data::text AS data FROM event_store WHERE position > $1 ORDER BY position',
    [rows[0]!.position],
  )
  expect(stored.rows.map(({ data }) => data)).toEqual([
    '{"op":"u","after":{"id":"1","name":"d"}}',
    '{"op":"u","after":{"id":"2","name":"d"}}',
    `{"op":"u","after":{"id":"3","name":"d","bio":"${large('z')}"}}`,
  ])
})

test('rows of the initial load are images', async () => {
  await shop.close()
  shop = await openReaderFixture('reader unchanged')
  await shop.source.query(`INSERT INTO customers VALUES (1, 'a', repeat('x', 9000))`)
  reader = shop.start()
  await reader.next('connected')
  expect(await rowsAfter(`UPDATE customers SET name = 'b'`)).toEqual([{ id: '1', name: 'b', bio: large('x') }])
})

test('many large values are read and written in pieces, of one transaction as of many', async () => {
  const size = 600_000
  await rowsAfter(`INSERT INTO customers SELECT g, 'a', repeat(chr(64 + g), ${size}) FROM generate_series(1, 25) g`)
  const one = await rowsAfter(`UPDATE customers SET name = 'b'; INSERT INTO customers VALUES (99, 'last', NULL)`)
  expect(one.slice(0, 25).map((row) => row?.['bio'])).toEqual(
    Array.from({ length: 25 }, (_, i) => String.fromCharCode(65 + i).repeat(size)),
  )
  expect(one[25]).toEqual({ id: '99', name: 'last', bio: null })
  await reader.stop()
  await shop.source.query(`DO $$ BEGIN FOR g IN 1..25 LOOP UPDATE customers SET name = 'c' WHERE id = g; END LOOP; END $$`)
  for (let id = 1; id <= 25; id++) await shop.source.query('UPDATE customers SET name = $2 WHERE id = $1', [id, 'd'])
  const before = (await shop.events()).length
  reader = shop.start()
  await shop.caughtUp(reader)
  const rows = (await shop.events()).slice(before).map(rowOf)
  expect(rows.map((row) => [row?.['name'], row?.['bio']?.length])).toEqual([
    ...Array.from({ length: 25 }, () => ['c', size]),
    ...Array.from({ length: 25 }, () => ['d', size]),
  ])
  await chainIsWhole()
})

test('random changes: every event has the row that a trigger saw, over restarts, aborts and batches of any size', async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000)
  process.stdout.write(`unchanged values: SLUICE_TEST_SEED=${seed}\n`)
  const random = seeded(seed)
  await shop.source.query(`
    CREATE TABLE audit (n bigserial PRIMARY KEY, op text, id bigint, name text, bio text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF TG_LEVEL = 'STATEMENT' THEN INSERT INTO audit (op) VALUES ('t');
      ELSIF TG_OP = 'DELETE' THEN INSERT INTO audit (op) VALUES ('d');
      ELSE INSERT INTO audit (op, id, name, bio) VALUES (lower(left(TG_OP, 1)), NEW.id, NEW.name, NEW.bio); END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER note_rows AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER note_truncate AFTER TRUNCATE ON customers FOR EACH STATEMENT EXECUTE FUNCTION note()`)
  const id = (): number => 1 + random(12)
  const statement = (): string => {
    const kind = random(20)
    if (kind < 6) {
      return `INSERT INTO customers VALUES (${id()}, 'i${random(99)}', repeat(chr(97 + ${random(26)}), ${random(9000)})) ON CONFLICT DO NOTHING`
    }
    if (kind < 14) return `UPDATE customers SET name = 'u${random(99)}' WHERE id ${kind < 10 ? '=' : '>'} ${id()}`
    if (kind < 15) return `UPDATE customers SET bio = repeat(chr(65 + ${random(26)}), ${random(9000)}) WHERE id = ${id()}`
    if (kind < 16) return `DELETE FROM customers WHERE id = ${id()}`
    if (kind < 19) {
      const [from, to] = [id(), id()]
      return `UPDATE customers SET id = ${to} WHERE id = ${from} AND NOT EXISTS (SELECT FROM customers WHERE id = ${to})`
    }
    return random(3) === 0 ? 'TRUNCATE customers, orders' : `DELETE FROM customers WHERE id > 6`
  }
  for (let round = 0; round < 6; round++) {
    await reader.stop()
    reader = shop.start({ limits: { batchEventsMax: 1 + random(12) } })
    for (let n = 0; n < 25; n++) {
      const statements = Array.from({ length: 1 + random(8) }, statement)
      const end = random(5) === 0 ? 'ROLLBACK' : 'COMMIT'
      await shop.source.query(`BEGIN; ${statements.join('; ')}; ${end}`)
    }
    await shop.caughtUp(reader)
  }
  const seen = await shop.source.query<{ op: string; id: string | null; name: string | null; bio: string | null }>(
    `SELECT op, id::text, name, bio FROM audit ORDER BY n`,
  )
  const events = (await shop.events()).filter((event) => event.aggregateType === 'Customer')
  expect(events.map((event) => ({ op: parseEventData(event.eventData).op, row: rowOf(event) }))).toEqual(
    seen.rows.map(({ op, ...row }) => ({ op: op === 'i' ? 'c' : op, row: op === 'd' || op === 't' ? null : row })),
  )
  expect(events.length).toBeGreaterThan(200)
  await chainIsWhole()
})

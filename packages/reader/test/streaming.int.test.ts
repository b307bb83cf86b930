import { aggregateName, tableAggregateName, defaultCorrelationId, namespaceBytes, streamedEventId } from '@sluice/core'
import { verifyChain, getLane } from '@sluice/store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, type RunningReader, SYSTEM, dataOf, openReaderFixture } from './reader-fixture.ts'

const ORDER = '11111111-1111-4111-8111-111111111111'
const OTHER = '22222222-2222-4222-8222-222222222222'

let shop: ReaderFixture
let reader: RunningReader
beforeEach(async () => {
  shop = await openReaderFixture('reader streaming')
  reader = shop.start()
  await reader.next('connected')
})
afterEach(async () => {
  await shop.close()
})

async function sql(text: string): Promise<void> {
  await shop.source.query(text)
}

/** The events of some transactions, each of them one text. */
async function eventsOf(...transactions: readonly string[]) {
  await shop.caughtUp(reader)
  const before = (await shop.events()).length
  for (const text of transactions) await sql(text)
  await shop.caughtUp(reader)
  return (await shop.events()).slice(before)
}

test('insert, update and delete are events in commit order, with ids, versions and PostgreSQL’s own text', async () => {
  const events = await eventsOf(
    `INSERT INTO customers VALUES (7, 'Åse "the" \\ Größe', NULL);
    INSERT INTO orders VALUES ('${ORDER}', 7, E'line\\nbreak\\ttab', 12.50, ARRAY['a b', NULL, 'ü'], '{"b": 1, "a": [1.0]}', 'über fällig', '2026-01-02 03:04:05.678901+02')`,
    `UPDATE orders SET price = 'NaN', note = NULL WHERE id = '${ORDER}'`,
    `DELETE FROM orders WHERE id = '${ORDER}'`,
  )
  expect(events.map((e) => [e.eventType, e.eventVersion, e.ordinal, dataOf(e)])).toEqual([
    ['CustomerCreated', 1, 0, { op: 'c', after: { id: '7', name: 'Åse "the" \\ Größe', bio: null } }],
    [
      'OrderCreated',
      1,
      1,
      {
        op: 'c',
        after: {
          id: ORDER,
          customer_id: '7',
          note: 'line\nbreak\ttab',
          price: '12.50',
          tags: '{"a b",NULL,ü}',
          doc: '{"a": [1.0], "b": 1}',
          status: 'über fällig',
          placed_at: '2026-01-02 01:04:05.678901+00',
        },
      },
    ],
    [
      'OrderUpdated',
      2,
      0,
      expect.objectContaining({ op: 'u', after: expect.objectContaining({ price: 'NaN', note: null }) as unknown }),
    ],
    ['OrderDeleted', 3, 0, { op: 'd', before: { id: ORDER } }],
  ])
  const record = await getLane(shop.store, SYSTEM.name, shop.lane.name)
  for (const event of events) {
    expect(event.eventId).toBe(streamedEventId(namespaceBytes(record.epoch), event.commitLsn, event.ordinal))
    expect(event.correlationId).toBe(defaultCorrelationId(record.sourceEpoch, event.commitLsn))
  }
  expect(events.map((e) => [e.aggregateType, e.aggregateId, e.aggregateKey])).toEqual([
    ['Customer', aggregateName(['7']).id, '7'],
    ...Array.from({ length: 3 }, () => ['Order', ORDER, null]),
  ])
  expect(await verifyChain(shop.pipelineTarget, record)).toMatchObject({ isWhole: true })
})

test('a change of the primary key is an update of the old key’s aggregate, which names both', async () => {
  await sql(`INSERT INTO lines VALUES ('${ORDER}', 1, 'a')`)
  const [event] = await eventsOf(`UPDATE lines SET line = 2, sku = 'b' WHERE line = 1`)
  expect(event).toMatchObject({ eventType: 'LineUpdated', aggregateKey: JSON.stringify([ORDER, '1']) })
  expect(dataOf(event!)).toEqual({
    op: 'u',
    before: { order_id: ORDER, line: '1' },
    after: { order_id: ORDER, line: '2', sku: 'b' },
  })
})

test('a TOAST value is whole, whether it changed or not', async () => {
  await sql(`INSERT INTO customers VALUES (1, 'n', repeat('x', 9000))`)
  const events = await eventsOf(
    `UPDATE customers SET name = 'm'`,
    `UPDATE customers SET bio = repeat('y', 9000)`,
    `UPDATE customers SET bio = NULL`,
  )
  expect(events.map(dataOf)).toEqual([
    { op: 'u', after: { id: '1', name: 'm', bio: 'x'.repeat(9000) } },
    { op: 'u', after: { id: '1', name: 'm', bio: 'y'.repeat(9000) } },
    { op: 'u', after: { id: '1', name: 'm', bio: null } },
  ])
})

test('with replica identity FULL the whole old row is there', async () => {
  await sql(`ALTER TABLE customers REPLICA IDENTITY FULL; INSERT INTO customers VALUES (1, 'n', 'b')`)
  const events = await eventsOf(`UPDATE customers SET name = 'm'`, `DELETE FROM customers`)
  expect(events.map(dataOf)).toEqual([
    { op: 'u', before: { id: '1', name: 'n', bio: 'b' }, after: { id: '1', name: 'm', bio: 'b' } },
    { op: 'd', before: { id: '1', name: 'm', bio: 'b' } },
  ])
})

test('a truncate is an event of each captured table, whose aggregate is the table', async () => {
  const events = await eventsOf(`TRUNCATE customers, orders, unwatched`)
  expect(events.map((e) => [e.eventType, e.aggregateId, dataOf(e)]).sort()).toEqual([
    ['CustomerTruncated', tableAggregateName('public.customers').id, { op: 't' }],
    ['OrderTruncated', tableAggregateName('public.orders').id, { op: 't' }],
  ])
})

test('a context message holds for the changes after it, up to the next; the outbox row’s own goes first', async () => {
  const events = await eventsOf(
    `INSERT INTO customers VALUES (1, 'before', NULL);
    SELECT pg_logical_emit_message(true, 'sluice.context', '{"correlationId":"c-1","causationId":"k","userId":"u","traceparent":"00-a-b-01"}');
    INSERT INTO customers VALUES (2, 'in', NULL);
    INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload, correlation_id) VALUES ('Cart', 'c/9', 'CartPaid', '{"n": 1}', 'own');
    SELECT pg_logical_emit_message(true, 'other', 'not ours');
    SELECT pg_logical_emit_message(true, 'sluice.context', '{"correlationId":"c-2"}');
    INSERT INTO customers VALUES (3, 'next', NULL);
    SELECT pg_logical_emit_message(true, 'sluice.context', 'not JSON');
    INSERT INTO customers VALUES (4, 'kept', NULL);`,
    `INSERT INTO customers VALUES (5, 'after', NULL)`,
  )
  expect(events.map((e) => [e.ordinal, e.correlationId.replace(/^tx-.*/, 'tx'), e.causationId, e.userId, e.traceparent])).toEqual(
    [
      [0, 'tx', null, null, null],
      [2, 'c-1', 'k', 'u', '00-a-b-01'],
      [3, 'own', 'k', 'u', '00-a-b-01'],
      [5, 'c-2', null, null, null],
      [7, 'c-2', null, null, null],
      [0, 'tx', null, null, null],
    ],
  )
  expect(events[2]).toMatchObject({
    eventType: 'CartPaid',
    aggregateType: 'Cart',
    aggregateKey: 'c/9',
    aggregateId: aggregateName(['c/9']).id,
    eventData: '{"op":"e","payload":"{\\"n\\": 1}"}',
  })
  expect(reader.progress.filter((p) => p.kind === 'context-refused')).toHaveLength(1)
})

test('an outbox row that its own transaction deletes is an event; the ordinal counts what gives none', async () => {
  const events = await eventsOf(`
    BEGIN;
    INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('Order', '${OTHER}', 'OrderPaid', '{}');
    DELETE FROM outbox;
    INSERT INTO customers VALUES (1, 'n', NULL);
    SAVEPOINT s; INSERT INTO customers VALUES (2, 'rolled back', NULL); ROLLBACK TO s;
    INSERT INTO customers VALUES (3, 'kept', NULL);
    COMMIT;`)
  expect(events.map((e) => [e.eventType, e.aggregateId, e.aggregateKey, e.ordinal])).toEqual([
    ['OrderPaid', OTHER, null, 0],
    ['CustomerCreated', aggregateName(['1']).id, '1', 2],
    ['CustomerCreated', aggregateName(['3']).id, '3', 3],
  ])
})

test('a column that the definition does not have is left out', async () => {
  const [event] = await eventsOf(
    `ALTER TABLE customers ADD COLUMN extra int DEFAULT 5; INSERT INTO customers VALUES (1, 'n', NULL, 6)`,
  )
  expect(dataOf(event!)).toEqual({ op: 'c', after: { id: '1', name: 'n', bio: null } })
})

test('on an idle source the slot is confirmed further and further: a position is recorded, then acknowledged', async () => {
  await sql(`CREATE TABLE noise (v text)`)
  const first = await shop.durableLsn()
  await sql(`INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 1000)`)
  await shop.caughtUp(reader)
  const durable = await shop.durableLsn()
  expect(durable).toBeGreaterThan(first)
  const confirmed = await shop.confirmed(durable)
  expect(confirmed).toBeLessThanOrEqual(await shop.durableLsn())
})

test('after a restart it goes on at the same place: nothing twice, nothing missing', async () => {
  await sql(`INSERT INTO customers SELECT g, 'n', NULL FROM generate_series(1, 50) g`)
  await shop.caughtUp(reader)
  await reader.stop()
  await sql(`INSERT INTO customers SELECT g, 'n', NULL FROM generate_series(51, 80) g`)
  reader = shop.start()
  await reader.next('connected')
  await shop.caughtUp(reader)
  const keys = (await shop.events()).map((e) => Number(e.aggregateKey))
  expect(keys).toEqual(Array.from({ length: 80 }, (_, i) => i + 1))
})

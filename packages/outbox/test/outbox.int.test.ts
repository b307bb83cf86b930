import { CONTEXT_PREFIX, parseContextMessage, runInContext } from '@sluice/core'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { outboxMigration, setTransactionContext, writeOutboxEvent } from '@sluice/outbox'

const SLOT = 'outbox_test'
const PROPOSAL = '0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'
const reviewRequested = {
  aggregateType: 'Proposal',
  aggregateId: PROPOSAL,
  eventType: 'ProposalReviewRequested',
  payload: { reason: 'Größe', lines: [1, null] },
}

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  const server = process.env['SLUICE_TEST_MONOLITH_URL']
  if (server === undefined) throw new Error('SLUICE_TEST_MONOLITH_URL is set by the global setup')
  database = await createTestDatabase(server, 'outbox test')
  const target = postgresTarget('monolith', database.url)
  await migrate(target, outboxMigration)
  client = await connect(target, { applicationName: 'outbox test' })
  // What the slot gives is what a reader would meet.
  await client.query(`CREATE PUBLICATION ${SLOT} FOR TABLE outbox`)
  await client.query('SELECT pg_create_logical_replication_slot($1, $2)', [SLOT, 'pgoutput'])
})
afterAll(async () => {
  await client.end()
  await database.drop()
})
beforeEach(async () => {
  await client.query('DELETE FROM outbox')
  await changesInWal()
})

/** What pgoutput sends of the committed transactions: message contents, and I or D for rows of the outbox. */
async function changesInWal(): Promise<readonly string[]> {
  const { rows } = await client.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [SLOT, SLOT],
  )
  return rows.flatMap(({ data }) => {
    const kind = String.fromCharCode(data[0]!)
    if (kind === 'I' || kind === 'D') return [kind]
    if (kind !== 'M') return []
    const prefixEnd = data.indexOf(0, 10)
    expect(data.toString('utf8', 10, prefixEnd)).toBe(CONTEXT_PREFIX)
    return [data.toString('utf8', prefixEnd + 5)]
  })
}

async function inTransaction(work: () => Promise<unknown>, end: 'COMMIT' | 'ROLLBACK' = 'COMMIT'): Promise<void> {
  await client.query('BEGIN')
  await work()
  await client.query(end)
}

async function outboxRows(): Promise<readonly Record<string, unknown>[]> {
  return (await client.query<Record<string, unknown>>('SELECT * FROM outbox')).rows
}

test("an event is written in the caller's transaction: it is there if that commits, and only then", async () => {
  await inTransaction(() => writeOutboxEvent(client, reviewRequested), 'ROLLBACK')
  expect(await outboxRows()).toEqual([])
  expect(await changesInWal()).toEqual([])
  await inTransaction(() => writeOutboxEvent(client, reviewRequested))
  expect(await outboxRows()).toMatchObject([
    {
      aggregate_type: 'Proposal',
      aggregate_id: PROPOSAL,
      event_type: 'ProposalReviewRequested',
      payload: reviewRequested.payload,
    },
  ])
})

test('correlation and causation come from the running context, and what the event names goes before', async () => {
  const context = { correlationId: 'order-17', causationId: 'event-3', userId: 'ann', traceparent: '00-a-b-01' }
  await inTransaction(() => runInContext(context, () => writeOutboxEvent(client, { ...reviewRequested, userId: 'bob' })))
  expect(await outboxRows()).toMatchObject([
    { correlation_id: 'order-17', causation_id: 'event-3', user_id: 'bob', traceparent: '00-a-b-01' },
  ])
})

test('without a context the columns are NULL: the transaction itself is the correlation', async () => {
  await inTransaction(() => writeOutboxEvent(client, reviewRequested))
  expect(await outboxRows()).toMatchObject([{ correlation_id: null, causation_id: null, user_id: null, traceparent: null }])
})

test('a row that is deleted in its own transaction leaves the table empty and its insert in the WAL', async () => {
  await inTransaction(() => writeOutboxEvent(client, reviewRequested, { deleteRow: true }))
  expect(await outboxRows()).toEqual([])
  expect(await changesInWal()).toEqual(['I', 'D'])
})

test('an id that is too long is refused before the transaction is spoilt', async () => {
  await inTransaction(async () => {
    await expect(writeOutboxEvent(client, { ...reviewRequested, correlationId: 'x'.repeat(201) })).rejects.toThrow(
      'correlationId must have 1 to 200 characters, it has 201',
    )
    await writeOutboxEvent(client, reviewRequested)
  })
  expect(await outboxRows()).toHaveLength(1)
})

test('the context of a transaction is a transactional message before its changes', async () => {
  await inTransaction(() => setTransactionContext(client, { correlationId: 'lost' }), 'ROLLBACK')
  await inTransaction(async () => {
    await setTransactionContext(client, { correlationId: 'order-17', userId: 'ann' })
    await writeOutboxEvent(client, reviewRequested)
  })
  const [message, ...rest] = await changesInWal()
  expect(parseContextMessage(message ?? '')).toEqual({ context: { correlationId: 'order-17', userId: 'ann' } })
  expect(rest).toEqual(['I'])
})

test('sluice_context in SQL says the same', async () => {
  await client.query("SELECT sluice_context('order-17', user_id => 'ann')")
  await client.query("SELECT sluice_context('order-17', 'event-3', 'ann', '00-a-b-01')")
  expect((await changesInWal()).map((text) => parseContextMessage(text))).toEqual([
    { context: { correlationId: 'order-17', userId: 'ann' } },
    { context: { correlationId: 'order-17', causationId: 'event-3', userId: 'ann', traceparent: '00-a-b-01' } },
  ])
  await expect(client.query("SELECT sluice_context(repeat('x', 201))")).rejects.toMatchObject({ code: '22023' })
  await expect(client.query("SELECT sluice_context('')")).rejects.toMatchObject({ code: '22023' })
})

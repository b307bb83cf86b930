/** Values that are too large for a topic: stored once, read by a role that sees nothing else, dropped when nobody can ask for them. */
import { CLAIM_READER_ROLE, claimOf, positionNumber } from '@sluice/core'
import { dropEventsBelow, restoreRelayProgress, storeClaims } from '@sluice/store'
import { RoleConnection } from '@sluice/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StoreFixture, commit, openStoreFixture } from './store-fixture.ts'

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('store claims')
})
afterAll(async () => {
  await store.close()
})

const FOR_EVER = null
const EVENT = { eventId: '0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22', position: positionNumber(1) } as const

function valueOf(text: string, column = 'bio') {
  return { claim: claimOf(EVENT.eventId, 'after', column, text), text }
}

test('a value that a killed relay stored is found again, and never replaced by another', async () => {
  const { lane } = await store.lane()
  const event = { ...EVENT, eventId: EVENT.eventId as Parameters<typeof storeClaims>[1]['eventId'], lane }
  await storeClaims(store.client, event, [valueOf('größer'), valueOf('\\x00ff', 'scan')], FOR_EVER)
  await storeClaims(store.client, event, [valueOf('größer')], new Date('2030-01-01'))
  await expect(storeClaims(store.client, event, [valueOf('other')], FOR_EVER)).rejects.toMatchObject({ code: 'CLAIM_DIFFERS' })
  const { rows } = await store.client.query<object>(
    `SELECT column_name, value, bytes::integer, encode(sha256, 'hex') = encode(sha256(convert_to(value, 'UTF8')), 'hex') AS whole,
       kept_until FROM claims WHERE lane = $1 ORDER BY column_name`,
    [lane],
  )
  expect(rows).toEqual([
    { column_name: 'bio', value: 'größer', bytes: 8, whole: true, kept_until: new Date('2030-01-01') },
    { column_name: 'scan', value: '\\x00ff', bytes: 6, whole: true, kept_until: null },
  ])
})

test('the role of subscribers reads claims, and can neither read anything else nor write', async () => {
  // As a database is that was made safe by the book.
  await store.client.query('REVOKE USAGE ON SCHEMA public FROM PUBLIC')
  const reader = new RoleConnection(store.target, CLAIM_READER_ROLE, { applicationName: 'claims test' })
  await reader.use(async (client) => {
    expect((await client.query('SELECT current_user AS role')).rows).toEqual([{ role: CLAIM_READER_ROLE }])
    await client.query('SELECT claim_id, bytes, sha256, value FROM claims')
    await client.query('SET default_transaction_read_only = off')
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'v', 'p', 'm')
         AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')`,
    )
    expect(rows).toEqual([{ name: 'public.claims' }])
    for (const statement of ['SELECT * FROM event_store', 'SELECT * FROM subject_keys', 'DELETE FROM claims']) {
      await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' })
    }
  })
  await reader.close()
})

test('retention drops a claim with its event, but not while the topic may hold the message', async () => {
  const lane = await store.lane({ partitionEvents: 100 })
  const appender = await store.appender(lane, { partitionEvents: 100 })
  await appender.append([commit(lane, 1, 150)])
  await appender.close()
  const values = ['past', 'future', 'for-ever', 'stored'] as const
  const until = { past: new Date(0), future: new Date('2999-01-01'), 'for-ever': null, stored: new Date(0) }
  for (const [i, text] of values.entries()) {
    const eventId = `0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c3${i}` as Parameters<typeof storeClaims>[1]['eventId']
    const position = positionNumber(text === 'stored' ? 120 : 50)
    const claim = claimOf(eventId, 'after', 'bio', text)
    await storeClaims(store.client, { eventId, lane: lane.lane, position }, [{ claim, text }], until[text])
  }
  await restoreRelayProgress(store.client, { lane: lane.lane, position: positionNumber(150), clusterId: 'c' })
  expect(await dropEventsBelow(store.target, lane.lane, positionNumber(150))).toMatchObject({ droppedThrough: 100n })
  const { rows } = await store.client.query<{ value: string }>('SELECT value FROM claims WHERE lane = $1 ORDER BY 1', [lane.lane])
  expect(rows.map((row) => row.value)).toEqual(['for-ever', 'future', 'stored'])
})

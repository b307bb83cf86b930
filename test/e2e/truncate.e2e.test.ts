/** A TRUNCATE in the monolith from end to end: store, topics and services hold what the monolith holds, each event once (decision 0016). */
import { topicsWanted } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'
import { type TestServers, startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { checkStore } from '../oracle/store-invariants.ts'
import { checkTopics } from '../oracle/topic-invariants.ts'

const SYSTEM = new URL('../../schemas/bookshop/system.ts', import.meta.url)
const LIMIT_MS = 240_000
const FILL = `
  INSERT INTO books (isbn, title, format, price) SELECT g, 'Book ' || g, 'ebook', g FROM generate_series(1, 40) g;
  INSERT INTO customers (first_name, last_name, email) SELECT 'Ann', g, g || '@example.org' FROM generate_series(1, 40) g;
  INSERT INTO orders (customer_id, isbn, quantity) SELECT g, g, g FROM generate_series(1, 40) g`

/** Two fills, the order that is parked, the customers' update, the row that is gone again, and a truncate of each table. */
const CHANGES = 120 + 1 + 40 + 1 + 3 + 120

let servers: TestServers
let system: TestSystem

beforeAll(async () => {
  servers = await startTestServers()
  system = await startTestSystem(servers, SYSTEM)
})

afterAll(async () => {
  await system[Symbol.asyncDispose]()
  await servers[Symbol.asyncDispose]()
})

test('tables that are truncated between changes, with a parked event below, end equal and counted once; versions go on', async () => {
  const monolith = await system.client('monolith')
  const sales = await system.client('sales')
  const env = { ...system.env, NO_COLOR: '1' }
  await sales.query('ALTER TABLE orders ADD CONSTRAINT few CHECK (quantity < 1000)')
  // Everything comes by the stream, so that it can be counted.
  await system.startOnce()
  const all = system.start('all', ['run', 'all'])
  await monolith.query(FILL)
  await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity) VALUES (1, '1', 5000)`)
  await monolith.query('UPDATE customers SET last_name = last_name || $$!$$')
  await waitUntil('an event to be parked', LIMIT_MS, async () => (await sales.query('SELECT FROM parked_events')).rowCount === 1)
  const { rows: parked } = await sales.query<{ event_id: string }>('SELECT event_id::text FROM parked_events')

  // In one transaction, and with a row that is gone again at once.
  await monolith.query(
    `BEGIN; INSERT INTO books VALUES ('gone', 'Gone', 'ebook', 1); TRUNCATE books, customers, orders RESTART IDENTITY; ${FILL}; COMMIT`,
  )
  await waitUntil('both services to be there', LIMIT_MS, async () => {
    if (!all.isRunning) throw new Error(all.stderr)
    const stored = await system.storedPosition('monolith')
    const applied = await Promise.all(['sales', 'catalog'].map((service) => system.appliedPosition(service, 'monolith')))
    return stored >= CHANGES && applied.every((position) => position === stored)
  })

  const verify = await runSluice(['verify'], env)
  expect(verify, verify.stderr + verify.stdout).toMatchObject({ code: 0 })
  const ended = await runSluice(['parked', 'list', 'sales', '--ended'], env)
  expect(ended.stdout).toMatch(new RegExp(`${parked[0]!.event_id}\\s+ended by the truncate at position 1:\\d+`))
  const retried = await runSluice(['parked', 'retry', 'sales', parked[0]!.event_id], env)
  expect(retried, retried.stderr).toMatchObject({ code: 2 })
  expect(retried.stderr).toMatch(/SLU-5021[\s\S]*ended by the truncate at position 1:\d+/)

  const pipeline = await system.client('pipeline')
  expect(await checkStore(pipeline)).toEqual([])
  const { rows: versions } = await pipeline.query(
    `SELECT event_version::integer AS version FROM event_store WHERE aggregate_type = 'Book' AND aggregate_key = '7' ORDER BY position`,
  )
  expect(versions).toEqual([{ version: 1 }, { version: 2 }])
  const stored = BigInt(await system.storedPosition('monolith'))
  const report = await checkTopics({
    brokers: system.env['KAFKA_BROKERS']!.split(','),
    registryUrl: system.env['SCHEMA_REGISTRY_URL']!,
    topics: topicsWanted(system.definition).flatMap(({ name }) => (name.endsWith('.control') ? [] : [name])),
    expected: new Map([[1, stored]]),
  })
  expect(report).toEqual({ messages: Number(stored), distinct: Number(stored), lost: 0, outOfOrder: 0, problems: [] })
  await all.stop()
})

/**
 * A backfill through the whole pipeline: a service that lost rows has them again while orders go on changing, though the reader is
 * killed on the way, before and after a chunk is stored.
 */
import pg from 'pg'
import { expect, test } from 'vitest'
import { catchingUp } from '../harness/caught-up.ts'
import { type SluiceProcess, runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const LIMIT_MS = 240_000
const CUSTOMERS = 200
const ORDERS = 12_000

test('rows that a service lost come back by a backfill under writes, though the reader is killed at a mark and after a chunk', async () => {
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, new URL('../../schemas/bookshop/system.ts', import.meta.url))
  const [monolith, sales] = [await system.client('monolith'), await system.client('sales')]
  await fill(monolith)
  const loading = system.startAll()['reader']!
  await waitUntil('the initial load', LIMIT_MS, catchingUp(system))
  const lost = await sales.query(`DELETE FROM orders WHERE order_id % 3 = 0 OR order_id > ${ORDERS - 2_000}`)
  expect(lost.rowCount).toBeGreaterThan(ORDERS / 3)

  const writing = new AbortController()
  const workload = changeOrders(system.url('monolith'), writing.signal)
  await loading.stop()
  // It is there before the backfill, which has more chunks, of 1,000 keys, than the two readers come to.
  const first = startReaderTo(system, 'reader.backfill-mark')
  const started = await runSluice(['backfill', 'start', 'orders', '--rate', '4000'], system.env)
  expect(started, started.stderr).toMatchObject({ code: 0 })
  await expectKilled(first)
  await expectKilled(startReaderTo(system, 'reader.backfill-chunk'))
  const status = await runSluice(['status'], system.env)
  expect(status.stdout).toMatch(/^backfill \S+ of public\.orders \(monolith\) is running: [\d,]+ of [\d,]+ rows/m)
  system.start('reader', ['run', 'reader'])
  await waitUntil('the end of the backfill', LIMIT_MS, () => isCompleted(system))
  writing.abort()
  expect(await workload).toBeGreaterThan(20)
  await waitUntil('everything to be applied', LIMIT_MS, catchingUp(system))

  const { rows } = await sales.query<{ orders: number }>('SELECT count(*)::int AS orders FROM orders')
  const { rows: expected } = await monolith.query<{ orders: number }>('SELECT count(*)::int AS orders FROM orders')
  expect(rows).toEqual(expected)
  const verify = await runSluice(['verify', '--json'], system.env)
  expect(verify, verify.stderr + verify.stdout).toMatchObject({ code: 0 })
})

async function fill(monolith: pg.Client): Promise<void> {
  await monolith.query(
    `INSERT INTO books (isbn, title, format, price) SELECT 'isbn-' || g, 'title ' || g, 'ebook', g FROM generate_series(1, 50) g`,
  )
  await monolith.query(
    `INSERT INTO customers (first_name, last_name, email) SELECT 'Ann', 'Lee ' || g, g || '@example.com' FROM generate_series(1, ${CUSTOMERS}) g`,
  )
  await monolith.query(`${INSERT_ORDERS} FROM generate_series(1, ${ORDERS}) g`)
}

const INSERT_ORDERS = `
  INSERT INTO orders (customer_id, isbn, quantity) SELECT 1 + g % ${CUSTOMERS}, 'isbn-' || (1 + g % 50), 1 + g % 7`

/** New orders, changed ones and deleted ones all over the table; gives the number of transactions. */
async function changeOrders(url: string, signal: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  let turn = 0
  for (; !signal.aborted; turn += 1) {
    await client.query('BEGIN')
    await client.query(`${INSERT_ORDERS} FROM generate_series(1, 5) g`)
    await client.query('UPDATE orders SET quantity = quantity + 1 WHERE id % 997 = $1', [turn % 997])
    await client.query('DELETE FROM orders WHERE id % 1009 = $1', [turn % 1009])
    await client.query('COMMIT')
  }
  await client.end()
  return turn
}

/** A reader that ends at the second pass of a point. */
function startReaderTo(system: TestSystem, point: string): SluiceProcess {
  return system.start('reader', ['run', 'reader'], { SLUICE_TEST_FAULT_POINT: `${point}:2` })
}

async function expectKilled(reader: SluiceProcess): Promise<void> {
  expect(await reader.exit, reader.stderr).toMatchObject({ signal: 'SIGKILL' })
}

async function isCompleted(system: TestSystem): Promise<boolean> {
  const { rows } = await (
    await system.client('pipeline')
  ).query<{ status: string }>(`SELECT status FROM data_migration_state WHERE kind = 'backfill'`)
  expect(rows.map(({ status }) => status)).not.toContain('failed')
  return rows[0]?.status === 'completed'
}

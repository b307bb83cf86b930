import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import {
  PROJECTOR_TABLES,
  type SystemDefinition,
  bigint,
  boolean,
  defineSystem,
  enumType,
  handler,
  integer,
  mapTable,
  numeric,
  sql,
  table,
  text,
  timestamptz,
  topic,
  uuid,
} from '@sluice/system'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TableReport } from '../src/index.ts'
import { compareDatabases } from './compare-databases.ts'

const orders = table('orders', {
  columns: {
    id: uuid(),
    title: text().nullable(),
    bytes: bigint(),
    amount: numeric(),
    status: enumType('public.order_status', ['open', 'closed']),
    placed_at: timestamptz(),
  },
  key: ['id'],
  aggregate: 'Order',
  topic: topic('verify.orders'),
})

const lines = table('order_lines', {
  columns: { order_id: uuid(), line_no: integer(), sku: text(), is_gift: boolean() },
  key: ['order_id', 'line_no'],
  aggregate: 'OrderLine',
  topic: topic('verify.lines'),
})

const none = new URL('file:///none/')
const system: SystemDefinition = defineSystem({
  name: 'verify_mapped',
  avroSchemas: none,
  monolith: { tables: [orders, lines] },
  services: {
    billing: {
      migrations: none,
      outbox: { topic: topic('verify.billing.events') },
      projections: [
        mapTable(orders, {
          into: 'open_orders',
          columns: (c) => ({
            order_id: c.id,
            label: sql`upper(coalesce(${c.title}, '-'))`,
            kib: sql`ceil(${c.bytes} / 1024.0)::int`,
            amount: c.amount,
            state: c.status,
          }),
          filter: (c) => sql`${c.status} = 'open'`,
        }),
        handler('emit', { tables: [orders], isEventsOnly: true, apply: async () => undefined }),
        mapTable(lines, { into: 'lines', columns: (c) => ({ order_id: c.order_id, no: c.line_no, sku: c.sku }) }),
      ],
    },
    analytics: {
      migrations: none,
      projections: [
        handler('count orders', {
          tables: [orders],
          expectations: [
            {
              targetSchema: 'public',
              target: 'orders_per_state',
              key: ['state'],
              columns: ['state', 'orders'],
              query: 'SELECT status::text, count(*) FROM orders GROUP BY 1',
            },
          ],
          apply: async () => undefined,
        }),
        handler('follow billing', {
          eventTypes: ['LineBilled'],
          expectations: [
            {
              source: 'billing',
              targetSchema: 'public',
              target: 'billed',
              key: ['sku'],
              columns: ['sku', 'lines'],
              query: 'SELECT sku, count(*) FROM public.lines GROUP BY 1',
            },
          ],
          apply: async () => undefined,
        }),
        handler('guess', { tables: [orders], apply: async () => undefined }),
      ],
    },
  },
})

let monolith: Client
let billing: Client
let analytics: Client
let verify: () => Promise<ReadonlyMap<string, TableReport>>
const drops: (() => Promise<void>)[] = []

beforeAll(async () => {
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify_mapped')
  const [one, other] = [
    await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify_billing'),
    await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify_analytics'),
  ]
  const targets = {
    monolith: postgresTarget('monolith', source.url),
    services: { billing: postgresTarget('billing', one.url), analytics: postgresTarget('analytics', other.url) },
  }
  monolith = await connect(targets.monolith, { applicationName: 'test' })
  billing = await connect(targets.services.billing, { applicationName: 'test' })
  analytics = await connect(targets.services.analytics, { applicationName: 'test' })
  drops.push(
    ...[monolith, billing, analytics].map((client) => () => client.end()),
    ...[source, one, other].map((db) => () => db.drop()),
  )
  await makeTables()
  verify = async () => {
    const services = await compareDatabases(system, targets)
    return new Map(services.flatMap((s) => s.tables.map((t) => [t.table, t] as const)))
  }
})

afterAll(async () => {
  for (const drop of drops) await drop()
})

async function makeTables(): Promise<void> {
  await monolith.query(`CREATE TYPE order_status AS ENUM ('open', 'closed');
    CREATE TABLE orders (id uuid PRIMARY KEY, title text, bytes bigint NOT NULL, amount numeric NOT NULL, status order_status NOT NULL,
      placed_at timestamptz NOT NULL);
    CREATE TABLE order_lines (order_id uuid, line_no integer, sku text NOT NULL, is_gift boolean NOT NULL, PRIMARY KEY (order_id, line_no));
    INSERT INTO orders SELECT md5(n::text)::uuid, nullif('order ' || n, 'order 3'), n * 1000, n * 1.005,
      CASE WHEN n % 3 = 0 THEN 'closed' ELSE 'open' END::order_status, now() FROM generate_series(1, 30) n;
    INSERT INTO order_lines SELECT id, n, 'sku ' || n, n % 2 = 0 FROM orders, generate_series(1, 3) n`)
  await billing.query(`CREATE TYPE state AS ENUM ('open', 'closed');
    CREATE TABLE open_orders (order_id uuid PRIMARY KEY, label varchar(20) NOT NULL, kib integer NOT NULL, amount numeric(8,2) NOT NULL,
      state state NOT NULL, seen_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE lines (order_id uuid, no integer, sku text NOT NULL, PRIMARY KEY (order_id, no))`)
  await analytics.query(
    'CREATE TABLE orders_per_state (state text PRIMARY KEY, orders bigint NOT NULL); CREATE TABLE guesses (n integer); CREATE TABLE billed (sku text PRIMARY KEY, lines bigint NOT NULL)',
  )
  await fillTargets()
}

/** Fills the targets as a projector would, written by hand and apart from the mapping. */
async function fillTargets(): Promise<void> {
  await billing.query('TRUNCATE open_orders, lines')
  await analytics.query('TRUNCATE orders_per_state, guesses, billed')
  const { rows: open } = await monolith.query<{ id: string; title: string | null; bytes: string; amount: string }>(
    `SELECT id, title, bytes, amount::text FROM orders WHERE status = 'open'`,
  )
  for (const o of open) {
    const kib = Math.ceil(Number(o.bytes) / 1024)
    await billing.query(`INSERT INTO open_orders VALUES ($1, $2, $3, $4, 'open')`, [
      o.id,
      (o.title ?? '-').toUpperCase(),
      kib,
      o.amount,
    ])
  }
  const { rows } = await monolith.query<{ order_id: string; line_no: number; sku: string }>(
    'SELECT order_id, line_no, sku FROM order_lines',
  )
  for (const line of rows) await billing.query('INSERT INTO lines VALUES ($1, $2, $3)', [line.order_id, line.line_no, line.sku])
  await analytics.query(`INSERT INTO billed VALUES ('sku 1', 30), ('sku 2', 30), ('sku 3', 30)`)
  await analytics.query(`INSERT INTO orders_per_state VALUES ('open', 20), ('closed', 10)`)
}

async function planted(
  client: Client,
  change: string,
  undo: () => Promise<unknown> = async () => undefined,
): Promise<ReadonlyMap<string, TableReport>> {
  await client.query(change)
  try {
    return await verify()
  } finally {
    await undo()
    await fillTargets()
  }
}

test('rename, expression, filter, enum and rounding are derived from the mapping', async () => {
  const tables = await verify()
  expect(tables.get('open_orders')).toMatchObject({
    status: 'equal',
    sourceRows: 20,
    targetRows: 20,
    targetOnlyColumns: ['seen_at'],
  })
  expect(tables.get('lines')).toMatchObject({ status: 'equal', sourceRows: 90, targetRows: 90 })
  expect(tables.get('orders_per_state')).toMatchObject({ status: 'equal', sourceRows: 2, targetRows: 2 })
})

test('a wrong outcome of an expression is found', async () => {
  const tables = await planted(billing, `UPDATE open_orders SET kib = kib + 1 WHERE label = 'ORDER 7'`)
  expect(tables.get('open_orders')).toMatchObject({ different: 1, examples: [{ kind: 'different', columns: ['kib'] }] })
})

test('a row that the filter keeps out is extra', async () => {
  const { rows } = await monolith.query<{ id: string }>(`SELECT id FROM orders WHERE status = 'closed' LIMIT 1`)
  const tables = await planted(billing, `INSERT INTO open_orders VALUES ('${rows[0]!.id}', 'X', 1, 1, 'closed')`)
  expect(tables.get('open_orders')).toMatchObject({ extra: 1, missing: 0, examples: [{ kind: 'extra', key: [rows[0]!.id] }] })
})

test('a cut text is a difference, though a cast would cut the expected one too', async () => {
  await monolith.query(`UPDATE orders SET title = 'twenty-five characters xyz' WHERE title = 'order 7'`)
  const tables = await planted(
    billing,
    `UPDATE open_orders SET label = left('TWENTY-FIVE CHARACTERS XYZ', 20) WHERE label = 'ORDER 7'`,
    () => monolith.query(`UPDATE orders SET title = 'order 7' WHERE title LIKE 'twenty%'`),
  )
  expect(tables.get('open_orders')).toMatchObject({ different: 1, examples: [{ kind: 'different', columns: ['label'] }] })
})

test('rows of a composite key are told apart and named by it', async () => {
  const { rows } = await monolith.query<{ id: string }>('SELECT id FROM orders ORDER BY id LIMIT 1')
  const tables = await planted(billing, `DELETE FROM lines WHERE order_id = '${rows[0]!.id}' AND no = 2`)
  expect(tables.get('lines')).toMatchObject({ missing: 1, examples: [{ kind: 'missing', key: [rows[0]!.id, '2'], columns: [] }] })
})

test('what a handler must hold is asked of the monolith', async () => {
  const tables = await planted(analytics, `UPDATE orders_per_state SET orders = 21 WHERE state = 'open'`)
  expect(tables.get('orders_per_state')).toMatchObject({ different: 1, examples: [{ key: ['open'], columns: ['orders'] }] })
})

test('what is fed by the events of a service is asked of that service', async () => {
  expect((await verify()).get('billed')).toMatchObject({ status: 'equal', sourceRows: 3, targetRows: 3 })
  const tables = await planted(analytics, `UPDATE billed SET lines = 29 WHERE sku = 'sku 2'`)
  expect(tables.get('billed')).toMatchObject({ different: 1, examples: [{ key: ['sku 2'], columns: ['lines'] }] })
})

test('a handler that only emits events needs no expectation', async () => {
  expect((await verify()).has('handler emit')).toBe(false)
})

test('a handler without expectation, and a table that nothing is expected of, are unverifiable', async () => {
  const tables = await planted(analytics, 'INSERT INTO guesses VALUES (1)')
  expect(tables.get('handler guess')).toMatchObject({ status: 'unverifiable' })
  expect(tables.get('guesses')).toMatchObject({ status: 'unverifiable' })
  expect((await verify()).has('guesses'), 'an empty table says nothing').toBe(false)
})

test("a table is Sluice's only by its whole name", async () => {
  const drop = (): Promise<unknown> => analytics.query('DROP TABLE data_migrations')
  const tables = await planted(analytics, 'CREATE TABLE data_migrations AS SELECT 1 AS n', drop)
  expect(tables.get('data_migrations')).toMatchObject({ status: 'unverifiable' })
})

test('what a projector keeps in its own tables is nothing that a handler wrote', async () => {
  const own = [...PROJECTOR_TABLES, 'sluice_migrations', 'service_migrations']
  const made = own.map((name) => `CREATE TABLE ${name} AS SELECT 1 AS n`).join('; ')
  const tables = await planted(analytics, made, () => analytics.query(`DROP TABLE ${own.join(', ')}`))
  expect(own.filter((name) => tables.has(name))).toEqual([])
})

test('a value that the target type does not have makes its table unverifiable, the others are compared', async () => {
  await monolith.query(`UPDATE orders SET bytes = 9223372036854775807 WHERE title = 'order 7'`)
  try {
    const tables = await verify()
    expect(tables.get('open_orders')).toMatchObject({
      status: 'unverifiable',
      reason: expect.stringContaining('22003') as string,
    })
    expect(tables.get('lines')).toMatchObject({ status: 'equal' })
  } finally {
    await monolith.query(`UPDATE orders SET bytes = 7000 WHERE title = 'order 7'`)
  }
})

test('empty on both sides is equal, with no rows counted', async () => {
  await monolith.query('ALTER TABLE order_lines RENAME TO kept; CREATE TABLE order_lines (LIKE kept)')
  try {
    const tables = await planted(billing, 'TRUNCATE lines')
    expect(tables.get('lines')).toMatchObject({ status: 'equal', sourceRows: 0, targetRows: 0 })
  } finally {
    await monolith.query('DROP TABLE order_lines; ALTER TABLE kept RENAME TO order_lines')
    await fillTargets()
  }
})

test('an emptied target is every row missing', async () => {
  const tables = await planted(billing, 'TRUNCATE lines')
  expect(tables.get('lines')).toMatchObject({ status: 'different', missing: 90, targetRows: 0 })
  expect(tables.get('lines')!.examples).toHaveLength(5)
})

test('a table that the service lacks is unverifiable', async () => {
  await billing.query('ALTER TABLE lines RENAME TO away')
  try {
    expect((await verify()).get('lines')).toMatchObject({
      status: 'unverifiable',
      reason: 'the service database has no such table',
    })
  } finally {
    await billing.query('ALTER TABLE away RENAME TO lines')
  }
})

/**
 * What a user gets wrong, or what goes wrong around Sluice: a clear message with the way out, the documented exit code, and
 * nothing lost or skipped. One system goes through it all, in the order in which a user would.
 */
import { createTestDatabase, startServers } from '@sluice/infra'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SluiceProcess, runSluice } from '../harness/sluice-process.ts'
import { type TestServers, startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, makeMonolith, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const SYSTEM = new URL('../../schemas/bookshop/system.ts', import.meta.url)
const LIMIT_MS = 240_000
const NOWHERE = '127.0.0.1:1'

let servers: TestServers
let system: TestSystem

beforeAll(async () => {
  servers = await startTestServers()
  system = await startTestSystem(servers, SYSTEM, { isProvisioned: false })
})

afterAll(async () => {
  await system[Symbol.asyncDispose]()
  await servers[Symbol.asyncDispose]()
})

/** Runs a command that must fail; the message has the code, and a way out. */
async function expectFailure(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  expected: { readonly exit: number; readonly code: string; readonly says: RegExp },
): Promise<void> {
  const { code, stderr } = await runSluice(args, { ...system.env, ...env, NO_COLOR: '1' })
  expect({ exit: code, stderr }).toMatchObject({ exit: expected.exit, stderr: expect.stringContaining(expected.code) as string })
  expect(stderr).toMatch(expected.says)
  expect(stderr).toMatch(/\btry\b/)
}

test('a setting is missing: exit 2, every one is named', async () => {
  await expectFailure(
    ['provision'],
    { SLUICE_CATALOG_URL: '', KAFKA_BROKERS: '' },
    { exit: 2, code: 'SLU-1002', says: /SLUICE_CATALOG_URL[\s\S]*KAFKA_BROKERS|KAFKA_BROKERS[\s\S]*SLUICE_CATALOG_URL/ },
  )
})

test('a wrong URL: exit 3, the server is named and the password is not', async () => {
  const url = `postgresql://app:planted-password@${NOWHERE}/shop`
  await expectFailure(['provision'], { SLUICE_PIPELINE_URL: url }, { exit: 3, code: 'SLU-2001', says: /127\.0\.0\.1:1\/shop/ })
  const { stdout, stderr } = await runSluice(['provision', '--json'], { ...system.env, SLUICE_PIPELINE_URL: url })
  expect(stdout + stderr).not.toContain('planted-password')
  expect(JSON.parse(stdout)).toMatchObject({ v: 1, ok: false, error: { code: 'SLU-2001' } })
})

test('an unreachable registry: exit 3', async () => {
  await expectFailure(
    ['provision'],
    { SCHEMA_REGISTRY_URL: `http://${NOWHERE}` },
    { exit: 3, code: 'SLU-4201', says: /127\.0\.0\.1:1/ },
  )
})

test('an incompatible schema: exit 3 before anything is published, with the difference', async () => {
  const own = await startServers({ registry: true })
  try {
    const schema = JSON.stringify({ type: 'record', name: 'Stranger', fields: [{ name: 'weight', type: 'double' }] })
    const registered = await fetch(`${own.registry.url}/subjects/bookshop.books-value/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema }),
    })
    expect(registered.ok, await registered.text()).toBe(true)
    const env = { SCHEMA_REGISTRY_URL: own.registry.url }
    await expectFailure(['provision'], env, { exit: 3, code: 'SLU-4202', says: /bookshop\.books/ })
  } finally {
    await own.stop()
  }
})

test('with everything in place, provision and a second provision pass', async () => {
  const first = await runSluice(['provision'], system.env)
  expect(first, first.stderr).toMatchObject({ code: 0 })
  const second = await runSluice(['provision'], system.env)
  expect(second, second.stderr).toMatchObject({ code: 0 })
})

test('a role without REPLICATION: exit 3, with the statement that grants it', async () => {
  const monolith = await system.client('monolith')
  await monolith.query(`CREATE ROLE bookshop_reader LOGIN PASSWORD 'x'`)
  const url = new URL(system.url('monolith'))
  url.username = 'bookshop_reader'
  url.password = 'x'
  await expectFailure(
    ['run', 'reader'],
    { SLUICE_MONOLITH_URL: url.toString() },
    { exit: 3, code: 'SLU-2003', says: /bookshop_reader|REPLICATION/i },
  )
  await monolith.query('DROP ROLE bookshop_reader')
})

test('wal_level=replica: exit 3, with the setting to change', async () => {
  const replica = await startServers({ monolith: { settings: { wal_level: 'replica' } } })
  try {
    const database = await createTestDatabase(replica.monolith.url, 'replica monolith')
    await makeMonolith(system.definition, database.url)
    await expectFailure(
      ['run', 'reader'],
      { SLUICE_MONOLITH_URL: database.url },
      { exit: 3, code: 'SLU-2010', says: /wal_level/ },
    )
  } finally {
    await replica.stop()
  }
})

test('a table without a primary key: exit 3, the table is named', async () => {
  const monolith = await system.client('monolith')
  await monolith.query('ALTER TABLE orders DROP CONSTRAINT orders_pkey')
  await expectFailure(['run', 'reader'], {}, { exit: 3, code: 'SLU-2012', says: /orders/ })
  await monolith.query('ALTER TABLE orders ADD PRIMARY KEY (id)')
})

test('a row that a service refuses is parked and listed; the others arrive; verify says different', async () => {
  const monolith = await system.client('monolith')
  const sales = await system.client('sales')
  await monolith.query(`INSERT INTO books (isbn, title, format, price) VALUES ('1', 'One', 'ebook', 1)`)
  await monolith.query(`INSERT INTO customers (first_name, last_name, email) VALUES ('Ann', 'Lee', 'ann@example.com')`)
  await sales.query('ALTER TABLE orders ADD CONSTRAINT few CHECK (quantity < 1000)')
  const all = system.start('all', ['run', 'all'])
  await expectArrival(all, 'sales', 'SELECT count(*) AS n FROM customers', 1)

  await monolith.query(
    `INSERT INTO orders (customer_id, isbn, quantity, note) VALUES (1, '1', 5000, 'planted-secret'), (1, '1', 2, NULL)`,
  )
  await expectArrival(all, 'sales', 'SELECT count(*) AS n FROM orders', 1)
  const parked = await runSluice(['parked', 'list', 'sales'], system.env)
  expect(parked.code).toBe(0)
  expect(parked.stdout).toMatch(/OrderCreated[\s\S]*23514|23514[\s\S]*OrderCreated/)
  expect(parked.stdout + parked.stderr + all.stderr).not.toContain('planted-secret')

  const verify = await runSluice(['verify', '--json'], system.env)
  expect(verify, verify.stderr).toMatchObject({ code: 4 })
  expect(JSON.parse(verify.stdout)).toMatchObject({ ok: false })
  await all.stop()
})

test('a parked event is shown without its values, given up only when confirmed, and applied once its cause is mended', async () => {
  const sales = await system.client('sales')
  const env = { ...system.env, NO_COLOR: '1' }
  const list = await runSluice(['parked', 'list', 'sales', '--json'], env)
  const { result } = JSON.parse(list.stdout) as { result: { parked: { eventId: string; behind: number }[]; total: number } }
  expect(result).toMatchObject({ total: 1, parked: [{ behind: 0 }] })
  const id = result.parked[0]!.eventId

  const shown = await runSluice(['parked', 'show', 'sales', id], env)
  expect(shown.stdout).toMatch(/orders_?few|few/)
  expect(shown.stdout).not.toContain('planted-secret')
  const values = await runSluice(['parked', 'show', 'sales', id, '--values'], env)
  expect(values.stdout).toContain('planted-secret')

  await expectFailure(['parked', 'retry', 'sales'], {}, { exit: 2, code: 'SLU-1001', says: /--all/ })
  await expectFailure(['parked', 'skip', 'sales', id], {}, { exit: 5, code: 'SLU-1006', says: /--reason '<why>' --yes/ })
  await expectFailure(['parked', 'retry', 'sales', id], {}, { exit: 4, code: 'SLU-5022', says: /23514/ })
  const dryRun = await runSluice(['parked', 'retry', 'sales', '--error', '23514', '--dry-run'], env)
  expect(dryRun, dryRun.stderr).toMatchObject({ code: 0 })
  expect(dryRun.stderr).toContain('nothing was changed: 1 event would be tried again')

  const { rows: refused } = await (
    await system.client('monolith')
  ).query<{ id: string }>('SELECT id FROM orders WHERE quantity = 5000')
  const key = `Order/${refused[0]!.id}`
  const listed = async (...selection: readonly string[]): Promise<unknown> => {
    const { stdout } = await runSluice(['parked', 'list', 'sales', ...selection, '--json'], env)
    return (JSON.parse(stdout) as { result: unknown }).result
  }
  expect(await listed('--key', key, '--topic', 'bookshop.orders')).toMatchObject({ parked: [{ eventId: id }] })
  expect(await listed('--key', 'Order/0')).toMatchObject({ parked: [] })
  expect(await listed('--key', key, '--topic', 'bookshop.books')).toMatchObject({ parked: [] })
  await expectFailure(
    ['parked', 'retry', 'sales', '--key', 'Order'],
    {},
    { exit: 2, code: 'SLU-1001', says: /--key Customer\/4711/ },
  )

  await sales.query('ALTER TABLE orders DROP CONSTRAINT few')
  const retried = await runSluice(['parked', 'retry', 'sales', '--key', key, '--topic', 'bookshop.orders', '--json'], env)
  expect(retried, retried.stderr).toMatchObject({ code: 0 })
  expect(JSON.parse(retried.stdout)).toMatchObject({ ok: true, result: { applied: 1, refused: 0 } })
  const { rows } = await sales.query('SELECT quantity FROM orders ORDER BY quantity')
  expect(rows).toEqual([{ quantity: 2 }, { quantity: 5000 }])
  await expectFailure(['parked', 'show', 'sales', id], {}, { exit: 2, code: 'SLU-5021', says: /not parked/ })
  const commands = await sales.query('SELECT command, result FROM parked_event_commands ORDER BY id')
  expect(commands.rows).toMatchObject([
    { command: 'retry', result: { applied: 0, refused: 1 } },
    { command: 'retry', result: { applied: 1, refused: 0 } },
  ])
})

test('a parked event takes effect as it was edited, and verify names the row, whether it differs or not', async () => {
  const [monolith, sales] = [await system.client('monolith'), await system.client('sales')]
  const env = { ...system.env, NO_COLOR: '1' }
  await sales.query('ALTER TABLE orders ADD CONSTRAINT short CHECK (length(note) < 20)')
  const all = system.start('all', ['run', 'all'])
  await monolith.query(
    `INSERT INTO orders (customer_id, isbn, quantity, note) VALUES (1, '1', 66, 'a note that the service refuses')`,
  )
  await expectArrival(all, 'sales', 'SELECT count(*) AS n FROM parked_events', 1)
  const { rows } = await sales.query<{ id: string }>('SELECT event_id::text AS id FROM parked_events')
  const id = rows[0]!.id
  await expectFailure(
    ['parked', 'edit', 'monolith', id, '--relay', '--null', 'note'],
    {},
    { exit: 2, code: 'SLU-1001', says: /source/ },
  )
  await expectFailure(['parked', 'edit', 'sales', id, '--null', 'note'], {}, { exit: 2, code: 'SLU-1001', says: /--reason/ })
  await expectFailure(
    ['parked', 'edit', 'sales', id, '--set-json', '{"id": 7}', '--reason', 'x'],
    {},
    { exit: 2, code: 'SLU-5024', says: /part of the key/ },
  )
  const dryRun = await runSluice(['parked', 'edit', 'sales', id, '--set', 'note=cut = short', '--dry-run'], env)
  expect(dryRun, dryRun.stderr).toMatchObject({ code: 0 })
  expect(dryRun.stdout).toMatch(/note\s+a note that the service refuses\s+cut = short/)
  const edited = await runSluice(
    ['parked', 'edit', 'sales', id, '--set', 'note=cut = short', '--reason', 'too long', '--json'],
    env,
  )
  expect(edited, edited.stderr).toMatchObject({ code: 0 })
  expect(edited.stdout).not.toContain('cut = short')
  expect(await runSluice(['parked', 'retry', 'sales', id], env)).toMatchObject({ code: 0 })
  expect((await sales.query('SELECT note FROM orders WHERE quantity = 66')).rows).toEqual([{ note: 'cut = short' }])

  const different = await runSluice(['verify'], env)
  expect(different, different.stderr).toMatchObject({ code: 4 })
  expect(different.stdout).toMatch(new RegExp(`sales: Order/\\d+ was edited in note by .* \\(event ${id}`))
  await monolith.query(`UPDATE orders SET note = 'corrected' WHERE quantity = 66`)
  await expectArrival(all, 'sales', `SELECT count(*) AS n FROM orders WHERE note = 'corrected'`, 1)
  const equal = await runSluice(['verify'], env)
  expect(equal, equal.stderr).toMatchObject({ code: 0 })
  expect(equal.stdout).toContain('was edited in note')
  await sales.query('ALTER TABLE orders DROP CONSTRAINT short')
  await all.stop()
})

test('an event that Kafka does not take is parked at the relay, listed by verify, and given up by a command; the next ones pass', async () => {
  const monolith = await system.client('monolith')
  const env = { ...system.env, NO_COLOR: '1' }
  // A value that is not large by itself is not claimed.
  const all = system.start('all', ['run', 'all'], { SLUICE_MESSAGE_BYTES_MAX: '700' })
  await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity, note) VALUES (1, '1', 77, repeat('planted-secret', 36))`)
  await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity) VALUES (1, '1', 78)`)
  await expectArrival(all, 'sales', 'SELECT count(*) AS n FROM orders WHERE quantity = 78', 1)

  const list = await runSluice(['parked', 'list', 'monolith', '--relay', '--json'], env)
  const { result } = JSON.parse(list.stdout) as { result: { parked: { eventId: string; errorCode: string }[] } }
  expect(result.parked).toMatchObject([{ errorCode: 'SLU-4004', waitsFor: null }])
  expect(list.stdout + all.stderr).not.toContain('planted-secret')
  const id = result.parked[0]!.eventId
  const verify = await runSluice(['verify'], env)
  expect(verify, verify.stderr).toMatchObject({ code: 4 })
  expect(verify.stdout).toContain('1 events parked at its relay: sluice parked list monolith --relay')

  const { rows: held } = await monolith.query<{ id: string }>('SELECT id FROM orders WHERE quantity = 77')
  const key = `Order/${held[0]!.id}`
  const selected = await runSluice(
    ['parked', 'list', 'monolith', '--relay', '--key', key, '--topic', 'bookshop.orders', '--json'],
    env,
  )
  expect(JSON.parse(selected.stdout)).toMatchObject({ result: { parked: [{ eventId: id }] } })
  const others = await runSluice(['parked', 'retry', 'monolith', '--relay', '--key', 'Order/0', '--dry-run'], env)
  expect(others.stdout + others.stderr).toContain('no parked event')

  await expectFailure(['parked', 'retry', 'monolith', id, '--relay'], {}, { exit: 4, code: 'SLU-5022', says: /1 refused again/ })
  await expectFailure(['parked', 'skip', 'monolith', id, '--relay'], {}, { exit: 5, code: 'SLU-1006', says: /--relay --reason/ })
  const skipped = await runSluice(['parked', 'skip', 'monolith', id, '--relay', '--reason', 'too large', '--yes'], env)
  expect(skipped, skipped.stderr).toMatchObject({ code: 0, stderr: expect.stringContaining('1 skipped') as string })
  const empty = await runSluice(['parked', 'list', 'monolith', '--relay'], env)
  expect(empty.stderr).toContain('the relay of monolith has no parked event')
  await all.stop()
})

test('a table that was changed in the monolith holds its own topic; its parked event shows the difference and the commands to go on', async () => {
  const monolith = await system.client('monolith')
  const env = { ...system.env, NO_COLOR: '1' }
  const all = system.start('all', ['run', 'all'])
  const order = async (quantity: number): Promise<void> => {
    await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity) VALUES (1, '1', ${quantity})`)
    await expectArrival(all, 'sales', `SELECT count(*) AS n FROM orders WHERE quantity = ${quantity}`, 1)
  }
  // The reader runs when the table is changed: its start would refuse it.
  await order(79)
  await monolith.query('ALTER TABLE books RENAME title TO name')
  await monolith.query(`INSERT INTO books (isbn, name, format, price) VALUES ('3', 'Three', 'ebook', 3)`)
  await order(80)

  const list = await runSluice(['parked', 'list', 'monolith', '--relay', '--json'], env)
  const { result } = JSON.parse(list.stdout) as { result: { parked: { eventId: string; eventType: string }[] } }
  expect(result.parked).toMatchObject([{ eventType: 'BookCreated', errorCode: 'SLU-4205' }])
  const id = result.parked[0]!.eventId
  const shown = await runSluice(['parked', 'show', 'monolith', id, '--relay'], env)
  expect(shown.stdout).toContain('column title did not come; columns that the definition does not have: name text')
  expect(shown.stderr).toMatch(/next .*the system definition, then: sluice schemas generate$/m)
  const [, retry] = /next .*, then: sluice (parked retry .*)$/m.exec(shown.stderr) ?? []
  expect(retry, shown.stderr).toBe('parked retry monolith --relay --error SLU-4205')
  // The definition is not corrected.
  await expectFailure(retry!.split(' '), {}, { exit: 4, code: 'SLU-5022', says: /1 refused again/ })

  await monolith.query('ALTER TABLE books RENAME name TO title')
  const skipped = await runSluice(['parked', 'skip', 'monolith', id, '--relay', '--reason', 'renamed back', '--yes'], env)
  expect(skipped, skipped.stderr).toMatchObject({ code: 0 })
  await all.stop()
})

test('a dropped slot: exit 3, and not one event is stored over the gap', async () => {
  const monolith = await system.client('monolith')
  const before = await system.storedPosition('monolith')
  // The server lets go of it after the process of the test before has ended.
  await waitUntil('the slot to be free', LIMIT_MS, async () => {
    const { rowCount } = await monolith.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'sluice_bookshop_monolith' AND NOT active`,
    )
    return rowCount === 1
  })
  await monolith.query(`INSERT INTO books (isbn, title, format, price) VALUES ('2', 'Two', 'ebook', 2)`)
  await expectFailure(['run', 'reader'], {}, { exit: 3, code: 'SLU-2020', says: /sluice_bookshop_monolith/ })
  expect(await system.storedPosition('monolith')).toBe(before)
})

async function expectArrival(process: SluiceProcess, service: string, query: string, atLeast: number): Promise<void> {
  const client: pg.Client = await system.client(service)
  await waitUntil(`rows in ${service}`, LIMIT_MS, async () => {
    if (!process.isRunning) throw new Error(process.stderr)
    const { rows } = await client.query<{ n: string }>(query)
    return Number(rows[0]?.n) >= atLeast
  })
}

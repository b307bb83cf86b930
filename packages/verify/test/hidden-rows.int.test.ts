/** A comparison that does not see every row is not green: row level security on either side makes it unverifiable. */
import { randomBytes } from 'node:crypto'
import { createTestDatabase } from '@sluice/infra'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import { defineSystem, handler, integer, mapTable, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { compareDatabases } from './compare-databases.ts'

const items = table('items', {
  columns: { id: integer(), tenant: text() },
  key: ['id'],
  aggregate: 'Item',
  topic: topic('verify.items'),
})
const system = defineSystem({
  name: 'verify_hidden',
  avroSchemas: new URL('file:///none/'),
  monolith: { tables: [items] },
  services: { shop: { migrations: new URL('file:///none/'), projections: [mapTable(items, { into: 'items' })] } },
})

const DDL = `CREATE TABLE items (id integer PRIMARY KEY, tenant text); INSERT INTO items VALUES (1, 'a'), (2, 'b');
  ALTER TABLE items ENABLE ROW LEVEL SECURITY;
  CREATE POLICY tenants ON items USING (tenant = current_setting('app.current_tenant_id', true))`

test.each(['monolith', 'shop'] as const)(
  'rows of the %s that the role does not see are told, with the policy that shows them',
  async (hiding) => {
    const role = `sluice_hidden_${randomBytes(4).toString('hex')}`
    const password = randomBytes(12).toString('hex')
    const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify hidden')
    const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify hidden')
    const urls = { monolith: source.url, shop: target.url }
    const clients = {
      monolith: await connect(postgresTarget('monolith', source.url), { applicationName: 'test' }),
      shop: await connect(postgresTarget('shop', target.url), { applicationName: 'test' }),
    }
    const url = new URL(urls[hiding])
    url.username = role
    url.password = password
    const targets = {
      monolith: postgresTarget('monolith', hiding === 'monolith' ? url.toString() : urls.monolith),
      services: { shop: postgresTarget('shop', hiding === 'shop' ? url.toString() : urls.shop) },
    }
    try {
      await migrate(postgresTarget('shop', target.url), {
        folder: new URL('../../projector/migrations/', import.meta.url),
        table: 'sluice_migrations',
      })
      for (const client of Object.values(clients)) await client.query(DDL)
      await clients[hiding].query(
        `CREATE ROLE ${role} LOGIN PASSWORD '${password}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
      )
      const [report] = (await compareDatabases(system, targets))[0]!.tables
      expect(report).toMatchObject({ status: 'unverifiable', reason: expect.stringContaining(`from role "${role}"`) as string })
      const policy = /as the owner: (.*)$/.exec(report!.reason!)![1]!
      await clients[hiding].query(policy)
      expect((await compareDatabases(system, targets))[0]!.tables).toMatchObject([
        { status: 'equal', sourceRows: 2, targetRows: 2 },
      ])
    } finally {
      await clients[hiding].query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      await Promise.all([clients.monolith.end(), clients.shop.end()])
      await Promise.all([source.drop(), target.drop()])
    }
  },
)

test('a table beside handlers that no projection names does not pass for empty because its rows are hidden', async () => {
  const role = `sluice_hidden_${randomBytes(4).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  const shop = system.services['shop']
  const handled = defineSystem({
    ...system,
    services: {
      shop: {
        ...shop,
        projections: [...shop.projections, handler('notes', { tables: [items], apply: () => Promise.resolve() })],
      },
    },
  })
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify hidden')
  const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify hidden')
  const owner = await connect(postgresTarget('shop', target.url), { applicationName: 'test' })
  const monolith = await connect(postgresTarget('monolith', source.url), { applicationName: 'test' })
  const url = new URL(target.url)
  url.username = role
  url.password = password
  try {
    await migrate(postgresTarget('shop', target.url), {
      folder: new URL('../../projector/migrations/', import.meta.url),
      table: 'sluice_migrations',
    })
    const plain = 'CREATE TABLE items (id integer PRIMARY KEY, tenant text)'
    await monolith.query(plain)
    await owner.query(`${plain}; CREATE TABLE empty_one (id integer); CREATE TABLE notes (id integer); INSERT INTO notes VALUES (1);
      ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
      CREATE ROLE ${role} LOGIN PASSWORD '${password}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`)
    const targets = {
      monolith: postgresTarget('monolith', source.url),
      services: { shop: postgresTarget('shop', url.toString()) },
    }
    const { tables } = (await compareDatabases(handled, targets))[0]!
    expect(tables.filter(({ status }) => status === 'unverifiable').map((t) => [t.table, t.reason])).toEqual([
      ['handler notes', 'the handler has no expectation'],
      ['notes', expect.stringContaining('row level security hides rows of public.notes')],
    ])
  } finally {
    await owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await Promise.all([owner.end(), monolith.end()])
    await Promise.all([source.drop(), target.drop()])
  }
})

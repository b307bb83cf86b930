/** A service is expected to hold the rows that the publication's row filter lets through, and no others. */
import { createTestDatabase } from '@sluice/infra'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import { defineSystem, integer, lanesOf, mapTable, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { compareDatabases } from './compare-databases.ts'

const items = table('items', {
  columns: { id: integer(), name: text().nullable() },
  key: ['id'],
  aggregate: 'Item',
  topic: topic('verify.items'),
})
const system = defineSystem({
  name: 'verify_filtered',
  avroSchemas: new URL('file:///none/'),
  monolith: { tables: [items] },
  services: { shop: { migrations: new URL('file:///none/'), projections: [mapTable(items, { into: 'items' })] } },
})

test('rows outside of the publication’s filter are expected nowhere, and one that a service has is extra', async () => {
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify filter')
  const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify filter')
  const targets = { monolith: postgresTarget('monolith', source.url), services: { shop: postgresTarget('shop', target.url) } }
  const [monolith, shop] = [
    await connect(targets.monolith, { applicationName: 'test' }),
    await connect(targets.services.shop, { applicationName: 'test' }),
  ]
  try {
    const ddl = 'CREATE TABLE items (id integer PRIMARY KEY, name text)'
    const [lane] = lanesOf(system)
    const folder = new URL('../../projector/migrations/', import.meta.url)
    await migrate(targets.services.shop, { folder, table: 'sluice_migrations' })
    await monolith.query(`${ddl}; ALTER TABLE items REPLICA IDENTITY FULL;
      INSERT INTO items VALUES (1, 'a'), (2, 'hidden'), (3, NULL), (40, 'far');
      CREATE PUBLICATION ${lane!.publicationName} FOR TABLE items WHERE (name <> 'hidden' AND id < 10)`)
    await shop.query(`${ddl}; INSERT INTO items VALUES (1, 'a')`)
    expect((await compareDatabases(system, targets))[0]!.tables).toMatchObject([
      { status: 'equal', sourceRows: 1, targetRows: 1 },
    ])
    await shop.query(`INSERT INTO items VALUES (2, 'hidden'); UPDATE items SET name = 'b' WHERE id = 1`)
    expect((await compareDatabases(system, targets))[0]!.tables).toMatchObject([{ status: 'different', extra: 1, different: 1 }])
  } finally {
    await Promise.all([monolith.end(), shop.end()])
    await Promise.all([source.drop(), target.drop()])
  }
})

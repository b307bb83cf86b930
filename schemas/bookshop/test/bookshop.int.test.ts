import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { migrate, postgresTarget } from '@sluice/postgres'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { seedBookshop } from '../seed.ts'
import system from '../system.ts'

const opened: TestDatabase[] = []
afterEach(async () => {
  for (const database of opened.splice(0)) await database.drop()
})

async function create(server: string): Promise<string> {
  const serverUrl = process.env[server]
  if (serverUrl === undefined) throw new Error(`${server} is set by the global setup`)
  const database = await createTestDatabase(serverUrl, 'bookshop')
  opened.push(database)
  return database.url
}

test('the seed makes the monolith and fills it', async () => {
  const url = await create('SLUICE_TEST_MONOLITH_URL')
  await seedBookshop(url)
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query(
    `SELECT (SELECT count(*) FROM books)::integer AS books, (SELECT count(*) FROM customers)::integer AS customers,
            (SELECT count(*) FROM orders)::integer AS orders`,
  )
  await client.end()
  expect(rows).toEqual([{ books: 500, customers: 1000, orders: 5000 }])
})

test.each(Object.entries(system.services))("the migrations of %s apply, with the mappings' columns", async (name, service) => {
  const url = await create('SLUICE_TEST_SERVICES_URL')
  await migrate(postgresTarget(name, url), { folder: service.migrations, table: 'schema_migrations' })
  const client = new pg.Client(url)
  await client.connect()
  for (const mapping of service.projections) {
    await expect(client.query(`SELECT ${Object.keys(mapping.columns).join(', ')} FROM ${mapping.target}`)).resolves.toBeDefined()
  }
  await client.end()
})

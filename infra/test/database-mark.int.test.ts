import pg from 'pg'
import { expect, test } from 'vitest'
import { assertMarked, createTestDatabase, databaseUrl, dropMarkedDatabase } from '../src/database-mark.ts'

const serverUrl = process.env['SLUICE_TEST_MONOLITH_URL']!

test('a database made for tests is marked, and goes with its slots and sessions', async () => {
  const database = await createTestDatabase(serverUrl, 'Infra: a Test')
  expect(database.name).toMatch(/^sluice_infra_a_test_[0-9a-f]{10}$/)
  await assertMarked(database.url)
  const session = new pg.Client({ connectionString: database.url })
  session.on('error', () => undefined)
  await session.connect()
  await session.query(`SELECT pg_create_logical_replication_slot('${database.name}', 'pgoutput')`)
  await database.drop()
  expect(await countDatabases(database.name)).toBe(0)
  await database.drop()
  await session.end()
})

test('a database without the mark is neither used nor dropped', async () => {
  await expect(assertMarked(serverUrl)).rejects.toMatchObject({ code: 'DATABASE_UNMARKED', exitCode: 5 })
  const own = await createTestDatabase(serverUrl, 'infra')
  await admin(`COMMENT ON DATABASE ${own.name} IS 'the shop, do not touch'`)
  await expect(own.drop()).rejects.toMatchObject({ code: 'DATABASE_UNMARKED' })
  await expect(assertMarked(databaseUrl(serverUrl, own.name))).rejects.toMatchObject({ code: 'DATABASE_UNMARKED' })
  expect(await countDatabases(own.name)).toBe(1)
  await admin(`COMMENT ON DATABASE ${own.name} IS 'sluice: made by hand'`)
  await dropMarkedDatabase(serverUrl, own.name)
  expect(await countDatabases(own.name)).toBe(0)
})

async function countDatabases(name: string): Promise<number> {
  return (await admin(`SELECT 1 FROM pg_database WHERE datname = $1`, [name])).length
}

async function admin(sql: string, values: string[] = []): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    return (await client.query<pg.QueryResultRow>(sql, values)).rows
  } finally {
    await client.end()
  }
}

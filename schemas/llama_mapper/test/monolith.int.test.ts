/** The tables are captured as the monolith has them, and its rows fill every one of them. */
import { createTestDatabase, type TestDatabase } from '@sluice/infra'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import demo from '../demo.ts'
import system from '../system.ts'

const tables = system.monolith.tables.map((t): [string, CapturedTable] => [t.name, t])

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'llama monolith')
  const target = postgresTarget('monolith', database.url)
  await migrate(target, { folder: system.monolith.migrations, table: 'schema_migrations' })
  client = await connect(target, { applicationName: 'llama test' })
  await demo.fill({ database: client, rows: 400, seed: 2 })
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

test.each(tables)('%s is captured as it is defined in the database', async (_name, table) => {
  const { rows } = await client.query(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable
     FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [qualifiedName(table)],
  )
  const defined = Object.entries(table.sourceColumns).map(([name, type]) => ({
    name,
    type: type.sqlType,
    nullable: type.isNullable,
  }))
  expect(defined).toEqual(rows)
})

test.each(tables)('%s belongs to tenants, and has rows', async (name, table) => {
  expect(table.columnNames.some((column) => column === 'tenant_id' || (name === 'tenants' && column === 'id'))).toBe(true)
  expect((await client.query(`SELECT FROM ${qualifiedName(table)} LIMIT 1`)).rowCount).toBe(1)
})

/** What a service needs of its server beside tables: extensions, and roles that get at every row. */
import { randomBytes } from 'node:crypto'
import { createTestDatabase, type TestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { defineSystem, integer, mapTable, table, text, topic } from '@sluice/system'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkExtensions } from '../src/extension-check.ts'
import { checkServiceRows } from '../src/row-security-check.ts'

const notes = table('notes', {
  columns: { id: integer(), tenant: text() },
  key: ['id'],
  aggregate: 'Note',
  topic: topic('doctor.notes'),
})
const nowhere = new URL('file:///none/')
const system = defineSystem({
  name: 'doctor_needs',
  avroSchemas: nowhere,
  monolith: { tables: [notes] },
  services: {
    shop: {
      migrations: nowhere,
      extensions: ['plpgsql', 'hstore', 'vector'],
      projections: [mapTable(notes, { into: 'notes' })],
    },
  },
})
const role = `sluice_doctor_${randomBytes(4).toString('hex')}`

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'doctor needs')
  client = await connect(postgresTarget('shop', database.url), { applicationName: 'test' })
  await client.query(`CREATE ROLE ${role}; CREATE TABLE notes (id integer PRIMARY KEY, tenant text);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes USING (tenant = 'a')`)
})
afterAll(async () => {
  await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  await client.end()
  await database.drop()
})

test('an extension is there, to be made, or not to be had on this server', async () => {
  expect(await checkExtensions('service.shop', client, system, 'shop')).toMatchObject([
    { name: 'service.shop.extension.plpgsql', status: 'ok' },
    { name: 'service.shop.extension.hstore', status: 'warning', fix: ['sluice provision --service shop'] },
    { name: 'service.shop.extension.vector', status: 'failed', code: 'SLU-5005' },
  ])
})

test('rows that row level security keeps from the role fail the check, with the policy that shows them', async () => {
  await client.query(`SET ROLE ${role}`)
  const [check] = await checkServiceRows('service.shop', client, system, 'shop')
  await client.query('RESET ROLE')
  expect(check).toMatchObject({
    status: 'failed',
    code: 'SLU-5004',
    summary: `row level security keeps rows from role "${role}" in public.notes (SELECT, INSERT, UPDATE, DELETE)`,
  })
  await client.query(check!.fix![0]!)
  await client.query(`SET ROLE ${role}`)
  expect(await checkServiceRows('service.shop', client, system, 'shop')).toMatchObject([{ status: 'ok' }])
  await client.query('RESET ROLE')
})

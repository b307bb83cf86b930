/** A TRUNCATE, and an ALTER TABLE that rewrites, are not hidden by a snapshot: what they leave is never called equal or different. */
import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { type SystemDefinition, defineSystem, integer, mapTable, table, topic } from '@sluice/system'
import type { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TableReport } from '../src/index.ts'
import { compareDatabases } from './compare-databases.ts'

const items = table('items', { columns: { id: integer() }, key: ['id'], aggregate: 'Item', topic: topic('verify.items') })
const none = new URL('file:///none/')
const system: SystemDefinition = defineSystem({
  name: 'verify_rewritten',
  avroSchemas: none,
  monolith: { tables: [items] },
  services: { copy: { migrations: none, projections: [mapTable(items, { into: 'copied' })] } },
})

let monolith: Client
let service: Client
let compare: (between?: () => Promise<unknown>) => Promise<TableReport>
const drops: (() => Promise<void>)[] = []

beforeEach(async () => {
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify_rewritten')
  const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify_rewritten')
  const targets = {
    monolith: postgresTarget('monolith', source.url),
    services: { copy: postgresTarget('copy', target.url) },
  }
  monolith = await connect(targets.monolith, { applicationName: 'test' })
  service = await connect(targets.services.copy, { applicationName: 'test' })
  await monolith.query('CREATE TABLE items (id integer PRIMARY KEY); INSERT INTO items SELECT generate_series(1, 500)')
  await service.query('CREATE TABLE copied (id integer PRIMARY KEY); INSERT INTO copied SELECT generate_series(1, 500)')
  compare = async (between = () => Promise.resolve()) => (await compareDatabases(system, targets, between))[0]!.tables[0]!
  drops.push(
    () => monolith.end(),
    () => service.end(),
    () => source.drop(),
    () => target.drop(),
  )
})

afterEach(async () => {
  for (const drop of drops.splice(0)) await drop()
})

test('changes of rows under the snapshots do not disturb the comparison', async () => {
  const report = await compare(() => monolith.query('DELETE FROM items; INSERT INTO items VALUES (0)'))
  expect(report).toMatchObject({ status: 'equal', sourceRows: 500, targetRows: 500 })
})

test('two empty tables of which one was truncated are not equal, and a full one beside it is not different', async () => {
  const both = await compare(() => Promise.all([monolith.query('TRUNCATE items'), service.query('TRUNCATE copied')]))
  expect(both).toMatchObject({ status: 'unverifiable', missing: 0 })
  expect(both.reason).toMatch(/public\.items, public\.copied was truncated or rewritten/)
  await monolith.query('INSERT INTO items VALUES (1)')
  await service.query('INSERT INTO copied VALUES (1)')
  const one = await compare(() => service.query('TRUNCATE copied'))
  expect(one).toMatchObject({ status: 'unverifiable', reason: expect.stringContaining('public.copied') as string })
  expect(await compare()).toMatchObject({ status: 'different', missing: 1 })
})

test('a table that is rewritten under the snapshot says so', async () => {
  const report = await compare(() => monolith.query('ALTER TABLE items ALTER id TYPE bigint'))
  expect(report).toMatchObject({ status: 'unverifiable', reason: expect.stringContaining('public.items') as string })
})

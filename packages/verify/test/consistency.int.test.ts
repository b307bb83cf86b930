/** How much of a service is as it must be, by counts, content, references and times. */
import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { type SystemDefinition, bigint, defineSystem, mapTable, table, text, timestamptz, topic } from '@sluice/system'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ServiceReport } from '../src/index.ts'
import { compareDatabases } from './compare-databases.ts'

const none = new URL('file:///none/')
const owners = table('owners', {
  columns: { id: bigint(), name: text() },
  key: ['id'],
  aggregate: 'Owner',
  topic: topic('consistency.owners'),
})
const boats = table('boats', {
  columns: { id: bigint(), owner_id: bigint().nullable(), launched_at: timestamptz() },
  key: ['id'],
  aggregate: 'Boat',
  topic: topic('consistency.boats'),
})
const system: SystemDefinition = defineSystem({
  name: 'consistency',
  avroSchemas: none,
  monolith: { tables: [owners, boats] },
  services: {
    harbour: { migrations: none, projections: [mapTable(owners, { into: 'owners' }), mapTable(boats, { into: 'boats' })] },
  },
})
const TABLES = `
  CREATE TABLE owners (id bigint PRIMARY KEY, name text NOT NULL);
  CREATE TABLE boats (id bigint PRIMARY KEY, owner_id bigint CONSTRAINT boats_owner REFERENCES owners, launched_at timestamptz NOT NULL);
  INSERT INTO owners SELECT n, 'owner ' || n FROM generate_series(1, 10) AS n;
  INSERT INTO boats SELECT n, CASE WHEN n <= 80 THEN n % 10 + 1 END, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 hour'
    FROM generate_series(1, 90) AS n;`
/** 100 rows, 80 of them with a reference. */
const WHOLE = { rows: 100, equalRows: 100, references: 80, keptReferences: 80, percent: 100 }

let service: Client
let verify: () => Promise<ServiceReport>
const drops: (() => Promise<void>)[] = []

beforeAll(async () => {
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'consistency')
  const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'consistency')
  const targets = {
    monolith: postgresTarget('monolith', source.url),
    services: { harbour: postgresTarget('harbour', target.url) },
  }
  const monolith = await connect(targets.monolith, { applicationName: 'test' })
  service = await connect(targets.services.harbour, { applicationName: 'test' })
  drops.push(
    () => monolith.end(),
    () => service.end(),
    () => source.drop(),
    () => target.drop(),
  )
  await monolith.query(TABLES)
  await service.query(TABLES)
  verify = async () => (await compareDatabases(system, targets))[0]!
})
afterAll(async () => {
  for (const drop of drops) await drop()
})

/** Verifies with something planted in the service, and takes it out again. */
async function withPlanted(change: string, undo: string): Promise<ServiceReport> {
  await service.query(change)
  try {
    return await verify()
  } finally {
    await service.query(undo)
  }
}

test('a service that is as it must be has 100 percent of its rows and references', async () => {
  const { consistency, references } = await verify()
  expect(consistency).toEqual(WHOLE)
  expect(references).toEqual([
    { constraint: 'boats_owner', table: 'boats', references: 'owners', rows: 80, orphans: 0, status: 'kept' },
  ])
})

test('a row less is a share less, rounded down', async () => {
  const { consistency } = await withPlanted(
    'DELETE FROM boats WHERE id = 90',
    `INSERT INTO boats VALUES (90, NULL, '2026-01-01T00:00:00Z'::timestamptz + 90 * interval '1 hour')`,
  )
  expect(consistency).toEqual({ ...WHOLE, equalRows: 99, percent: 99.44 })
})

test('a row more counts in the whole, too', async () => {
  const { consistency } = await withPlanted(`INSERT INTO owners VALUES (11, 'nobody')`, 'DELETE FROM owners WHERE id = 11')
  expect(consistency).toEqual({ ...WHOLE, rows: 101, percent: 99.44 })
})

test('a time that is off by a microsecond is a difference', async () => {
  const { consistency } = await withPlanted(
    `UPDATE boats SET launched_at = launched_at + interval '1 microsecond' WHERE id = 7`,
    `UPDATE boats SET launched_at = launched_at - interval '1 microsecond' WHERE id = 7`,
  )
  expect(consistency).toEqual({ ...WHOLE, equalRows: 99, percent: 99.44 })
})

test('a reference to a row that is not there is counted, and named by its constraint', async () => {
  // As a session that replicates does it: no trigger looks at the reference.
  const { consistency, references } = await withPlanted(
    `SET session_replication_role = replica; DELETE FROM owners WHERE id = 3; SET session_replication_role = origin`,
    `INSERT INTO owners VALUES (3, 'owner 3')`,
  )
  expect(references).toEqual([
    { constraint: 'boats_owner', table: 'boats', references: 'owners', rows: 80, orphans: 8, status: 'broken' },
  ])
  expect(consistency).toEqual({ ...WHOLE, equalRows: 99, keptReferences: 72, percent: 95 })
})

test('a service with a table that could not be compared has no percentage', async () => {
  const { consistency, references } = await withPlanted(
    'ALTER TABLE owners RENAME COLUMN name TO title',
    'ALTER TABLE owners RENAME COLUMN title TO name',
  )
  expect(consistency.percent).toBeNull()
  expect(references).toEqual([])
})

import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { qualifiedName } from '@sluice/system'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemDemo } from '../src/index.ts'
import { fillMonolith } from '../src/fill-monolith.ts'
import { RandomChanges } from '../src/random-changes.ts'
import { runSteps } from '../src/workload.ts'
import { CLINIC_SQL, clinicDemo, clinicSystem, insuredForEver, patientsFirst } from './clinic.ts'

const ROWS = 2_000
const never = new AbortController().signal
let database: TestDatabase
let client: pg.Client

beforeEach(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'workload')
  client = new pg.Client(database.url)
  await client.connect()
  await client.query(CLINIC_SQL)
})
afterEach(async () => {
  await client.end()
  await database.drop()
})

async function counts(): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {}
  for (const table of clinicSystem.monolith.tables) {
    const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${qualifiedName(table)}`)
    found[qualifiedName(table)] = Number(rows[0]!.n)
  }
  return found
}

test('every table gets its share of the rows, with keys of one and of several columns, and every foreign and unique key holds', async () => {
  const { rows } = await clinicDemo.fill({ database: database.url, rows: ROWS, seed: 4 })
  expect(await counts()).toEqual(rows)
  expect(rows).toEqual({
    'public.clinics': 47,
    'public.wards': 47,
    'public.clinic_wards': 140,
    'public.patients': 465,
    'public.insurances': 372,
    'public.visits': 930,
  })
})

test('a monolith of the least size has a row in every table', async () => {
  await clinicDemo.fill({ database: database.url, rows: 1 })
  expect(Object.values(await counts())).toEqual([1, 1, 1, 1, 1, 1])
})

test('the same rows are not filled in twice', async () => {
  await clinicDemo.fill({ database: client, rows: 100, seed: 4 })
  await expect(clinicDemo.fill({ database: client, rows: 100, seed: 4 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    why: 'the rows of seed 4 are in the database already',
  })
})

test('the workload does to every table what it allows, and nothing else; what was rolled back is not counted', async () => {
  await clinicDemo.fill({ database: client, rows: ROWS, seed: 4 })
  const before = await counts()
  await client.query("SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')")
  const report = await clinicDemo.runWorkload({ url: database.url, seed: 4, signal: never, transactions: 300 })
  const { rows } = await client.query<{ change: string; n: string }>(
    `SELECT substring(data FROM '^table (\\S+: [A-Z]+):') AS change, count(*) AS n
     FROM pg_logical_slot_get_changes('decoded', NULL, NULL) WHERE data LIKE 'table %' GROUP BY 1 ORDER BY 1`,
  )
  const changes = new Map(rows.map((r) => [r.change, Number(r.n)]))
  const allowed = [...clinicDemo.changes].flatMap(([table, names]) =>
    names.map((n) => `${qualifiedName(table)}: ${n.toUpperCase()}`),
  )
  // A deleted patient leaves its visits, by their foreign key.
  expect([...changes.keys()].sort()).toEqual([...allowed, 'public.visits: UPDATE'].sort())
  const total = (change: string): number => [...changes].reduce((sum, [name, n]) => sum + (name.endsWith(change) ? n : 0), 0)
  expect({ inserted: total('INSERT'), deleted: total('DELETE') }).toEqual({ inserted: report.inserted, deleted: report.deleted })
  expect(report.committed).toBeGreaterThan(250)
  expect(report.rolledBack).toBeGreaterThan(0)
  const after = await counts()
  const sum = (all: Readonly<Record<string, number>>): number => Object.values(all).reduce((a, b) => a + b, 0)
  expect(sum(after)).toBe(sum(before) + report.inserted - report.deleted)
})

test('R1: where every row of the sample is referred to, rows are deleted all the same: those that came later', async () => {
  const tables = [...patientsFirst, insuredForEver]
  await fillMonolith(tables, { database: client, rows: 8_000 })
  const { rows: sample } = await client.query<{ n: number }>('SELECT count(*)::integer AS n FROM patients')
  await client.query("SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')")
  await runSteps(new RandomChanges(tables).steps(), { url: database.url, signal: never, transactions: 200 })
  const { rows } = await client.query<{ deleted: number; left: number }>(
    `SELECT (SELECT count(*) FROM pg_logical_slot_get_changes('decoded', NULL, NULL)
             WHERE data LIKE 'table public.patients: DELETE:%')::integer AS deleted,
            (SELECT count(*) FROM patients WHERE id <= $1)::integer AS left`,
    [sample[0]!.n],
  )
  expect(rows[0]!.left).toBe(sample[0]!.n)
  expect(rows[0]!.deleted).toBeGreaterThan(20)
})

test('a captured table without sample rows is refused, and so is one with two', () => {
  expect(() => systemDemo({ system: clinicSystem, tables: [] })).toThrow(
    expect.objectContaining({
      code: 'SYSTEM_INVALID',
      why: expect.stringContaining('public.wards has no sample table') as string,
    }),
  )
})

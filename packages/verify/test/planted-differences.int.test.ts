import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { type ColumnType, type SystemDefinition, defineSystem, mapTable, other, table, topic, uuid } from '@sluice/system'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TableReport } from '../src/index.ts'
import { compareDatabases } from './compare-databases.ts'
import { SOURCE_TYPES, VALUE_TYPES } from './value-types.ts'

const ROWS = 200
const id = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

function columnType(type: string): ColumnType {
  return other(type, { isSourceOnly: type.startsWith('public.') }).nullable()
}

const wide = table('wide', {
  columns: { id: uuid(), ...Object.fromEntries(VALUE_TYPES.map((v) => [v.column, columnType(v.type)])) },
  key: ['id'],
  aggregate: 'Wide',
  topic: topic('verify.wide'),
})

const system: SystemDefinition = defineSystem({
  name: 'verify_types',
  avroSchemas: new URL('file:///none/'),
  monolith: { tables: [wide] },
  services: { copy: { migrations: new URL('file:///none/'), projections: [mapTable(wide, { into: 'wide_copy' })] } },
})

let monolith: Client
let service: Client
let verify: () => Promise<TableReport>
const drops: (() => Promise<void>)[] = []

beforeAll(async () => {
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify_types')
  const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify_types')
  const targets = {
    monolith: postgresTarget('monolith', source.url),
    services: { copy: postgresTarget('copy', target.url) },
  }
  monolith = await connect(targets.monolith, { applicationName: 'test' })
  service = await connect(targets.services.copy, { applicationName: 'test' })
  drops.push(
    () => monolith.end(),
    () => service.end(),
    () => source.drop(),
    () => target.drop(),
  )
  await makeTables()
  verify = async () => (await compareDatabases(system, targets))[0]!.tables[0]!
})

afterAll(async () => {
  for (const drop of drops) await drop()
})

/** The monolith's rows go over as texts, so that what is compared was not written by one and the same statement. */
async function makeTables(): Promise<void> {
  const columns = VALUE_TYPES.map((v) => `${v.column} ${v.type}`).join(', ')
  await monolith.query(`${SOURCE_TYPES} CREATE TABLE wide (id uuid PRIMARY KEY, ${columns})`)
  const cases = VALUE_TYPES.map(
    (v) => `CASE n % ${v.values.length + 1} ${v.values.map((value, i) => `WHEN ${i} THEN (${value})::${v.type}`).join(' ')} END`,
  )
  await monolith.query(`INSERT INTO wide SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ${cases.join(', ')}
    FROM generate_series(0, ${ROWS - 1}) AS n`)
  // The service has its own enum; domain and composite are text there.
  const targetType = (type: string): string => (/pair/.test(type) ? 'text' : type)
  await service.query(`CREATE TYPE public.mood AS ENUM ('happy', 'so so'); CREATE DOMAIN public.short_text AS varchar(10);
    CREATE TABLE wide_copy (id uuid PRIMARY KEY, ${VALUE_TYPES.map((v) => `${v.column} ${targetType(v.type)}`).join(', ')}, note text)`)
  const names = ['id', ...VALUE_TYPES.map((v) => v.column)]
  const { rows } = await monolith.query<Record<string, string | null>>(
    `SELECT ${names.map((n) => `${n}::text AS ${n}`).join(', ')} FROM wide`,
  )
  const types = ['uuid', ...VALUE_TYPES.map((v) => targetType(v.type))]
  await service.query(
    `INSERT INTO wide_copy (${names.join(', ')}) SELECT ${names.map((n, i) => `(j ->> '${n}')::${types[i]!}`).join(', ')} FROM json_array_elements($1::json) AS j`,
    [JSON.stringify(rows)],
  )
}

/** Plants a difference in the service, verifies, and takes the difference out again. */
async function withPlanted(change: string, check: (report: TableReport) => void): Promise<void> {
  await service.query('CREATE TABLE kept AS SELECT * FROM wide_copy')
  try {
    const { rowCount } = await service.query(change)
    expect(rowCount, 'the planted change touches one row').toBe(1)
    const report = await verify()
    expect(report.status).toBe('different')
    check(report)
  } finally {
    await service.query('TRUNCATE wide_copy; INSERT INTO wide_copy SELECT * FROM kept; DROP TABLE kept')
  }
}

test('equal tables are equal, in every type, and what only the target has is named', async () => {
  expect(await verify()).toMatchObject({
    table: 'wide_copy',
    sourceRows: ROWS,
    targetRows: ROWS,
    missing: 0,
    extra: 0,
    different: 0,
    status: 'equal',
    targetOnlyColumns: ['note'],
    comparedColumns: ['id', ...VALUE_TYPES.map((v) => v.column)],
  })
})

describe.each(VALUE_TYPES)('$column ($type)', ({ column, type, changed }) => {
  const sqlType = type === 'public.pair' ? 'text' : type
  const literal = type === 'public.pair' ? `(${changed})::text` : `(${changed})::${sqlType}`

  test('a changed byte is found and named', async () => {
    await withPlanted(`UPDATE wide_copy SET ${column} = ${literal} WHERE id = '${id(0)}'`, (report) => {
      expect(report).toMatchObject({ missing: 0, extra: 0, different: 1, status: 'different' })
      expect(report.examples).toEqual([{ kind: 'different', key: [id(0)], columns: [column] }])
    })
  })

  test('a NULL is found and named', async () => {
    await withPlanted(`UPDATE wide_copy SET ${column} = NULL WHERE id = '${id(0)}'`, (report) => {
      expect(report.examples).toEqual([{ kind: 'different', key: [id(0)], columns: [column] }])
    })
  })
})

test('a deleted row is found and named', async () => {
  await withPlanted(`DELETE FROM wide_copy WHERE id = '${id(17)}'`, (report) => {
    expect(report).toMatchObject({ sourceRows: ROWS, targetRows: ROWS - 1, missing: 1, extra: 0, different: 0 })
    expect(report.examples).toEqual([{ kind: 'missing', key: [id(17)], columns: [] }])
  })
})

test('an added row is found and named', async () => {
  await withPlanted(`INSERT INTO wide_copy (id) VALUES ('${id(ROWS)}')`, (report) => {
    expect(report).toMatchObject({ sourceRows: ROWS, targetRows: ROWS + 1, missing: 0, extra: 1, different: 0 })
    expect(report.examples).toEqual([{ kind: 'extra', key: [id(ROWS)], columns: [] }])
  })
})

test('a row that took another key is one missing and one extra', async () => {
  await withPlanted(`UPDATE wide_copy SET id = '${id(ROWS)}' WHERE id = '${id(3)}'`, (report) => {
    expect(report).toMatchObject({ missing: 1, extra: 1, different: 0, status: 'different' })
  })
})

test('an empty string in the place of NULL is found', async () => {
  const withNull = VALUE_TYPES.find((v) => v.column === 'a_text')!.values.length
  await withPlanted(`UPDATE wide_copy SET a_text = '' WHERE id = '${id(withNull)}'`, (report) => {
    expect(report.examples).toEqual([{ kind: 'different', key: [id(withNull)], columns: ['a_text'] }])
  })
})

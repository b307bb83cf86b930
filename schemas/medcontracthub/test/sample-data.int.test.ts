import { type CapturedTable, qualifiedName } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import demo from '../demo.ts'
import system from '../system.ts'
import { type OpenDatabase, openMonolith } from './databases.ts'

const ROWS = 13_200
const LONG_TEXT: Readonly<Record<string, string>> = {
  companies: 'description',
  users: 'biography',
  opportunities: 'description',
  proposals: 'technical_approach',
  contract_documents: 'content_text',
  api_usage: 'request_body',
}
const tables = system.monolith.tables.map((t): [string, CapturedTable] => [t.name, t])

let monolith: OpenDatabase

beforeAll(async () => {
  monolith = await openMonolith()
  await demo.fill({ database: monolith.url, rows: ROWS, seed: 11 })
})
afterAll(() => monolith.close())

async function one(sql: string): Promise<Record<string, unknown>> {
  return (await monolith.client.query<Record<string, unknown>>(sql)).rows[0]!
}

test.each(tables)('%s is captured as it is defined in the database', async (_name, table) => {
  const { rows } = await monolith.client.query<{ name: string; type: string; nullable: boolean; labels: string[] | null }>(
    `SELECT a.attname AS name,
            CASE t.typtype WHEN 'e' THEN n.nspname || '.' || t.typname ELSE format_type(a.atttypid, a.atttypmod) END AS type,
            NOT a.attnotnull AS nullable,
            (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) AS labels
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
     WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [qualifiedName(table)],
  )
  const defined = Object.entries(table.columns).map(([name, type]) => ({
    name,
    type: type.sqlType,
    nullable: type.isNullable,
    labels: type.labels ?? null,
  }))
  expect(defined).toEqual(rows)
})

test('the tables have their shares of the rows that were asked for', async () => {
  const counts: Record<string, unknown> = {}
  for (const [name, table] of tables) {
    counts[name] = (await one(`SELECT count(*)::integer AS count FROM ${qualifiedName(table)}`))['count']
  }
  expect(counts).toEqual({
    companies: 800,
    users: 400,
    opportunities: 4_000,
    proposals: 2_000,
    contract_documents: 2_000,
    api_usage: 4_000,
  })
})

test.each(tables)('in %s one row of a hundred is over 8 kB, out of line', async (name, table) => {
  const column = LONG_TEXT[name]!
  const { share, smallest } = await one(
    `SELECT avg((pg_column_size(${column}) > 8192)::integer)::float8 AS share,
            min(pg_column_size(${column})) FILTER (WHERE pg_column_toast_chunk_id(${column}) IS NOT NULL) AS smallest
     FROM ${qualifiedName(table)}`,
  )
  expect(Number(share)).toBeGreaterThan(0.003)
  expect(Number(share)).toBeLessThan(0.02)
  expect(Number(smallest)).toBeGreaterThan(8192)
})

test.each(tables)('%s: every nullable column has NULLs and values, and texts go beyond ASCII', async (name, table) => {
  const nullable = Object.entries(table.columns).filter(([column, type]) => type.isNullable && column !== 'review_requested_at')
  for (const [column] of nullable) {
    const counts = await one(
      `SELECT count(${column}) > 0 AS values, count(*) > count(${column}) AS nulls FROM ${qualifiedName(table)}`,
    )
    expect({ column, ...counts }).toEqual({ column, values: true, nulls: true })
  }
  const { found } = await one(
    `SELECT count(*) FILTER (WHERE octet_length(${LONG_TEXT[name]!}) > length(${LONG_TEXT[name]!})) > 0 AS found FROM ${qualifiedName(table)}`,
  )
  expect(found).toBe(true)
})

test.each([
  ["SELECT count(*) FROM companies WHERE annual_revenue = 'NaN'"],
  ["SELECT count(*) FROM companies WHERE founded_on = 'infinity' OR founded_on < '0001-01-01'"],
  ["SELECT count(*) FROM opportunities WHERE response_deadline = 'infinity'"],
  ["SELECT count(*) FROM opportunities WHERE requirements = '{}'"],
  ["SELECT count(*) FROM opportunities WHERE performance_period = 'empty'"],
  ["SELECT count(*) FROM proposals WHERE win_probability IN ('NaN', '-Infinity', 1e-300)"],
  ['SELECT count(*) FROM proposals WHERE array_position(milestone_amounts, NULL) IS NOT NULL'],
  [String.raw`SELECT count(*) FROM contract_documents WHERE file_name ~ '[\t\n\\"]'`],
])('values at the edges are there: %s', async (sql) => {
  expect(Number((await one(sql))['count'])).toBeGreaterThan(0)
})

test('the same seed gives the same rows, another seed others', async () => {
  const digest = async (seed: number): Promise<readonly unknown[]> => {
    const other = await openMonolith()
    try {
      await demo.fill({ database: other.client, rows: 200, seed })
      const digests = tables.map(([, table]) => `(SELECT sum(hashtextextended(t::text, 0)) FROM ${qualifiedName(table)} t)::text`)
      const { rows } = await other.client.query<unknown[]>({ text: `SELECT ${digests.join(', ')}`, rowMode: 'array' })
      return rows[0]!
    } finally {
      await other.close()
    }
  }
  const [first, again, another] = [await digest(5), await digest(5), await digest(6)]
  expect(again).toEqual(first)
  expect(another).not.toEqual(first)
})

test('a second filling with the same seed is refused, with another it adds', async () => {
  await expect(demo.fill({ database: monolith.url, rows: 10, seed: 11 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    why: 'the rows of seed 11 are in the database already',
  })
  expect((await demo.fill({ database: monolith.url, rows: 33, seed: 12 })).rows).toMatchObject({
    'public.opportunities': 10,
  })
})

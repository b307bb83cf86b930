import { createTestDatabase } from '@sluice/infra'
import { postgresTarget, connect } from '@sluice/postgres'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareTable } from '../src/compare-table.ts'
import { agreeOnDigest, rowDigest } from '../src/row-digest.ts'
import { SnapshotSession } from '../src/snapshot-session.ts'
import type { ComparedTable } from '../src/table-side.ts'

const ROWS = 100_000
const LIMITS = { examples: 5, fetchRows: 5_000 }

let source: SnapshotSession
let target: SnapshotSession
let client: Client
const drops: (() => Promise<void>)[] = []

const columns = ['id', 'title', 'amount', 'tags', 'body', 'created_at']
const side = (name: string): string => `SELECT ${columns.map((c, i) => `${c}::text AS c${i}`).join(', ')} FROM ${name}`
const table: ComparedTable = { columns, key: [0], expected: side('big'), actual: side('big') }
const changed: ComparedTable = { ...table, actual: side('changed') }

beforeAll(async () => {
  const [one, other] = await Promise.all(
    (['MONOLITH', 'SERVICES'] as const).map((s) => createTestDatabase(process.env[`SLUICE_TEST_${s}_URL`]!, 'verify_rate')),
  )
  const { signal } = new AbortController()
  for (const database of [one!, other!]) {
    client = await connect(postgresTarget('rate', database.url), { applicationName: 'test' })
    await client.query(`CREATE TABLE big AS SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id, 'title ' || n AS title,
        (n * 1.37)::numeric(14,2) AS amount, ARRAY['a', 'b' || n] AS tags, repeat('body ', 20) AS body,
        '2024-01-01'::timestamptz + n * interval '1 s' AS created_at FROM generate_series(1, ${ROWS}) n;
      CREATE VIEW changed AS SELECT id, title, amount, tags, CASE WHEN title = 'title 77' THEN 'x' ELSE body END AS body, created_at
        FROM big WHERE title <> 'title 99' UNION ALL SELECT 'ffffffff-0000-4000-8000-000000000000', 'extra', 0, '{}', '', 'infinity'; ANALYZE big`)
    await client.end()
  }
  source = await SnapshotSession.open(postgresTarget('monolith', one!.url), { signal })
  target = await SnapshotSession.open(postgresTarget('service', other!.url), { signal })
  drops.push(
    () => source.close(),
    () => target.close(),
    () => one!.drop(),
    () => other!.drop(),
  )
})

afterAll(async () => {
  for (const drop of drops) await drop()
})

test('equal tables are compared by sums alone, whatever the digest', async () => {
  expect((await agreeOnDigest(source.client, target.client)).method).toBe('hash')
  for (const method of ['hash', 'md5'] as const) {
    const startedAt = performance.now()
    const compared = await compareTable(source, target, table, rowDigest(method), LIMITS)
    const rate = ROWS / ((performance.now() - startedAt) / 1000)
    expect(compared).toMatchObject({ sourceRows: ROWS, targetRows: ROWS, counts: { missing: 0, extra: 0, different: 0 } })
    process.stderr.write(`verify: ${Math.round(rate).toLocaleString('en')} rows/s by ${method}, both sides\n`)
  }
})

test.each(['hash', 'md5'] as const)('by %s, one changed, one deleted and one added row among them are found', async (method) => {
  const { counts, examples } = await compareTable(source, target, changed, rowDigest(method), LIMITS)
  expect(counts).toEqual({ missing: 1, extra: 1, different: 1 })
  expect(examples.map((e) => [e.kind, e.columns])).toEqual([
    ['missing', []],
    ['extra', []],
    ['different', ['body']],
  ])
})

test('a table without a single equal row is read to the end in bounded pieces', async () => {
  const shifted: ComparedTable = {
    ...table,
    actual: side(`(SELECT id, title || '!' AS title, amount, tags, body, created_at FROM big) b`),
  }
  const startedAt = performance.now()
  const { counts, examples } = await compareTable(source, target, shifted, rowDigest('hash'), LIMITS)
  expect(counts).toEqual({ missing: 0, extra: 0, different: ROWS })
  expect(examples).toHaveLength(LIMITS.examples)
  process.stderr.write(
    `verify: ${Math.round(ROWS / ((performance.now() - startedAt) / 1000)).toLocaleString('en')} rows/s where all differ\n`,
  )
})

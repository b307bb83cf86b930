/** Groups hold what their source says, whatever happens to the rows of it. Source and service are two schemas of one database here. */
import { createTestDatabase, type TestDatabase } from '@sluice/infra'
import type { RowText } from '@sluice/core'
import { connect, postgresTarget } from '@sluice/postgres'
import {
  type ProjectedEvent,
  type ProjectionTransaction,
  bigint,
  enumType,
  groupTable,
  jsonb,
  numeric,
  sql,
  table,
  text,
  topic,
} from '@sluice/system'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

const runs = table('runs', {
  schema: 'source',
  aggregate: 'Run',
  key: ['id'],
  topic: topic('test.runs'),
  columns: {
    id: bigint(),
    tenant: text(),
    state: enumType('source.state', ['done', 'failed']),
    cost: numeric(10, 2).nullable(),
    labels: jsonb(),
    unread: text(),
  },
})

const grouped = groupTable(runs, {
  memory: 'known_runs',
  groups: [
    {
      into: 'tenants',
      by: (c) => ({ tenant: c.tenant }),
      count: 'runs',
      sums: (c) => ({ failures: sql`(${c.state} = 'failed')::integer`, cost: c.cost }),
      expectation: `SELECT tenant, count(*), sum((state = 'failed')::integer), sum(coalesce(cost, 0)) FROM source.runs GROUP BY tenant`,
    },
    {
      into: 'labelled',
      by: (c) => ({ tenant: c.tenant, label: sql`${c.labels} ->> 'label'` }),
      count: 'runs',
      filter: (c) => sql`${c.labels} ? 'label'`,
      expectation: `SELECT tenant, labels ->> 'label', count(*) FROM source.runs WHERE labels ? 'label' GROUP BY 1, 2`,
    },
  ],
})

const DDL = `
  CREATE SCHEMA source;
  CREATE TYPE source.state AS ENUM ('done', 'failed');
  CREATE TABLE source.runs (id bigint PRIMARY KEY, tenant text NOT NULL, state source.state NOT NULL, cost numeric(10, 2),
    labels jsonb NOT NULL, unread text NOT NULL DEFAULT '');
  CREATE TABLE known_runs (id bigint PRIMARY KEY, tenant text NOT NULL, state text NOT NULL, cost numeric(10, 2), labels jsonb NOT NULL);
  CREATE TABLE tenants (tenant text PRIMARY KEY, runs bigint NOT NULL, failures bigint NOT NULL, cost numeric(14, 2) NOT NULL);
  CREATE TABLE labelled (tenant text, label text, runs bigint NOT NULL, PRIMARY KEY (tenant, label));`

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'group table')
  client = await connect(postgresTarget('groups', database.url), { applicationName: 'test' })
  await client.query(DDL)
})
afterAll(async () => {
  await client.end()
  await database.drop()
})
beforeEach(async () => {
  await client.query('TRUNCATE source.runs, known_runs, tenants, labelled')
})

const transaction: ProjectionTransaction = { query: (text, values) => client.query(text, [...(values ?? [])]) }

/** Changes the source, and gives the handler the event that the pipeline would. @param unsent Columns that PostgreSQL did not send. */
async function change(statement: string, unsent: readonly string[] = []): Promise<void> {
  const rowsOf = async (): Promise<Map<string, RowText>> => {
    const columns = runs.columnNames.map((c) => `"${c}"::text`).join(', ')
    const { rows } = await client.query<RowText>(`SELECT ${columns} FROM source.runs`)
    return new Map(rows.map((row) => [row['id']!, row]))
  }
  const former = await rowsOf()
  await client.query(statement)
  const present = await rowsOf()
  for (const [id, row] of former) if (!present.has(id)) await apply('d', { id: row['id']! }, null)
  for (const [id, row] of present) {
    if (JSON.stringify(former.get(id)) === JSON.stringify(row)) continue
    const sent = Object.fromEntries(Object.entries(row).filter(([column]) => !unsent.includes(column)))
    await apply(former.has(id) ? 'u' : 'c', null, sent)
  }
}

async function apply(op: ProjectedEvent['op'], before: RowText | null, after: RowText | null): Promise<void> {
  await grouped.apply(
    {
      eventId: '',
      eventType: '',
      aggregateType: 'Run',
      aggregateId: '',
      aggregateKey: null,
      version: 1,
      lane: 1,
      position: 1n,
      commitLsn: '0/1',
      committedAtMicros: 0n,
      context: {},
      migrationId: null,
      op,
      before,
      after,
      payload: null,
    },
    transaction,
  )
}

async function expectEqual(): Promise<void> {
  for (const { target, columns, query } of grouped.expectations) {
    const actual = `SELECT ${columns.map((c) => `"${c}"`).join(', ')} FROM "${target}"`
    const { rows } = await client.query(`(${query} EXCEPT ALL ${actual}) UNION ALL (${actual} EXCEPT ALL ${query})`)
    expect({ target, differences: rows }).toEqual({ target, differences: [] })
  }
}

async function groups(target: string): Promise<readonly object[]> {
  return (await client.query<Record<string, unknown>>(`SELECT * FROM ${target} ORDER BY 1, 2`)).rows
}

test('rows that come, change their group and go move the groups by the difference', async () => {
  await change(
    `INSERT INTO source.runs VALUES (1, 'a', 'done', 1.50, '{"label": "x"}'), (2, 'a', 'failed', NULL, '{}'), (3, 'b', 'done', 2, '{"label": "x"}')`,
  )
  await expectEqual()
  await change(`UPDATE source.runs SET tenant = 'b', state = 'failed', cost = 7.25 WHERE id = 1`)
  await expectEqual()
  expect(await groups('tenants')).toEqual([
    { tenant: 'a', runs: '1', failures: '1', cost: '0.00' },
    { tenant: 'b', runs: '2', failures: '1', cost: '9.25' },
  ])
  await change(`DELETE FROM source.runs WHERE tenant = 'b'`)
  await expectEqual()
})

test('a group without rows is gone, and so is one whose rows no filter lets in', async () => {
  await change(`INSERT INTO source.runs VALUES (1, 'a', 'done', 1, '{"label": "x"}')`)
  await change(`UPDATE source.runs SET labels = '{}'`)
  expect(await groups('labelled')).toEqual([])
  expect(await groups('tenants')).toHaveLength(1)
  await change(`DELETE FROM source.runs`)
  expect(await groups('tenants')).toEqual([])
  await expectEqual()
})

test('what PostgreSQL did not send is as it was, also in what is computed with it', async () => {
  await change(`INSERT INTO source.runs VALUES (1, 'a', 'failed', 3, '{"label": "x"}')`)
  await change(`UPDATE source.runs SET tenant = 'b'`, ['labels', 'state'])
  await expectEqual()
  expect(await groups('labelled')).toEqual([{ tenant: 'b', label: 'x', runs: '1' }])
})

test('a row that is not known and was not sent whole is refused, not counted by halves', async () => {
  await expect(apply('u', null, { id: '9', tenant: 'a', state: 'done', cost: null, labels: '{}' })).resolves.toBeUndefined()
  await client.query('ALTER TABLE known_runs ALTER labels DROP NOT NULL')
  await expect(apply('u', null, { id: '8', tenant: 'a', state: 'done', cost: null })).rejects.toThrow(/not remembered/)
  await client.query('DELETE FROM known_runs; ALTER TABLE known_runs ALTER labels SET NOT NULL')
})

test('a row that is read again counts once; a changed key and a truncate are followed', async () => {
  await change(`INSERT INTO source.runs VALUES (1, 'a', 'done', 1, '{"label": "x"}')`)
  const row = { id: '1', tenant: 'a', state: 'done', cost: '1.00', labels: '{"label": "x"}', unread: '' }
  await apply('r', null, row)
  await expectEqual()
  await client.query('UPDATE source.runs SET id = 5')
  await apply('u', { id: '1' }, { ...row, id: '5' })
  await expectEqual()
  await client.query('TRUNCATE source.runs')
  await apply('t', null, null)
  await expectEqual()
  expect(await groups('known_runs')).toEqual([])
})

test('a change that no group reads writes nothing', async () => {
  await change(`INSERT INTO source.runs VALUES (1, 'a', 'done', 1, '{}')`)
  const { rows: before } = await client.query('SELECT xmin::text, ctid::text FROM tenants')
  await change(`UPDATE source.runs SET unread = 'changed'`)
  expect((await client.query('SELECT xmin::text, ctid::text FROM tenants')).rows).toEqual(before)
})

test('any order of changes ends at what the source says', async () => {
  const pick = <Item>(items: readonly Item[], n: number): Item => items[n % items.length]!
  for (let n = 0; n < 150; n += 1) {
    const id = (n * 7919) % 12
    const values = `'${pick(['a', 'b', 'c'], n)}', '${pick(['done', 'failed'], n >> 1)}', ${pick(['NULL', '1.25', '-3'], n >> 2)}, '${pick(['{}', '{"label": "x"}', '{"label": "y"}'], n >> 3)}'`
    if (n % 5 === 4) await change(`DELETE FROM source.runs WHERE id = ${id}`)
    else
      await change(
        `INSERT INTO source.runs VALUES (${id}, ${values})
         ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, state = excluded.state, cost = excluded.cost, labels = excluded.labels`,
      )
    if (n % 30 === 29) await expectEqual()
  }
  await expectEqual()
})

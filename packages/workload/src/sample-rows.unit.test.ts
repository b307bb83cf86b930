import { integer, table, text, topic, uuid } from '@sluice/system'
import { expect, test } from 'vitest'
import { SampleRows, sampleCounts } from './sample-rows.ts'
import { distinct, optional, sampleTable } from './sample-table.ts'

const tenants = sampleTable(
  table('tenants', { aggregate: 'Tenant', key: ['id'], topic: topic('t.tenants'), columns: { id: uuid(), name: text() } }),
  { share: 1, row: (_random, n) => ({ name: `Tenant ${n}` }), isInsertOnly: true },
)
const plugins = sampleTable(
  table('plugins', { aggregate: 'Plugin', key: ['code'], topic: topic('t.plugins'), columns: { code: text() } }),
  { share: 1, row: (_random, n) => ({ code: `plugin-${n}` }), isInsertOnly: true },
)
const choices = sampleTable(
  table('choices', {
    aggregate: 'Choice',
    key: ['id'],
    topic: topic('t.choices'),
    columns: { id: uuid(), tenant_id: uuid(), plugin: text(), former: text().nullable() },
  }),
  {
    share: 10,
    parents: { tenant: distinct(tenants), plugin: distinct(plugins), former: optional(plugins, 0.5) },
    row: (_random, _n, { tenant, plugin, former }) => ({
      tenant_id: tenant.id,
      plugin: plugin.code,
      former: former?.code ?? null,
    }),
    isInsertOnly: true,
  },
)
const tables = [tenants, plugins, choices]

test('rows are shared out in proportion, and no table stays empty', () => {
  expect([...sampleCounts(tables, 1_200).values()]).toEqual([100, 100, 1_000])
  expect([...sampleCounts(tables, 1).values()]).toEqual([1, 1, 1])
})

test('a table whose parents must differ has no more rows than they have pairs, and each pair once', () => {
  const counts = sampleCounts(tables, 48)
  expect(counts.get(choices)).toBe(16)
  const rows = new SampleRows(1, counts)
  const pairs = Array.from({ length: 16 }, (_, n) => rows.row(choices, n)).map(
    (r) => `${String(r['tenant_id'])} ${String(r['plugin'])}`,
  )
  expect(new Set(pairs).size).toBe(16)
})

test('a row refers to rows that are there, and to none in its share of cases', () => {
  const counts = sampleCounts(tables, 12_000)
  const rows = new SampleRows(1, counts)
  const codes = new Set(Array.from({ length: 1_000 }, (_, n) => rows.row(plugins, n)['code']))
  const former = Array.from({ length: 10_000 }, (_, n) => rows.row(choices, n)['former'] ?? null)
  const missing = former.filter((code) => code === null).length
  expect(former.filter((code) => code !== null && !codes.has(code))).toEqual([])
  expect(missing).toBeGreaterThan(4_500)
  expect(missing).toBeLessThan(5_500)
})

test('a key of one uuid is made for the row, the same each time and for nobody else', () => {
  const rows = new SampleRows(1, sampleCounts(tables, 12_000))
  const ids = Array.from({ length: 1_000 }, (_, n) => rows.row(tenants, n)['id'])
  expect(new Set(ids).size).toBe(1_000)
  expect(rows.row(tenants, 7)['id']).toBe(ids[7])
  expect(new SampleRows(2, sampleCounts(tables, 12_000)).row(tenants, 7)['id']).not.toBe(ids[7])
})

test('a value that a parent does not have is refused, and not taken for NULL', () => {
  const regions = sampleTable(
    table('regions', { aggregate: 'Region', key: ['id'], topic: topic('t.regions'), columns: { id: uuid(), currency: text() } }),
    { share: 1, row: () => ({}), isInsertOnly: true },
  )
  const prices = sampleTable(
    table('prices', { aggregate: 'Price', key: ['id'], topic: topic('t.prices'), columns: { id: uuid(), currency: text() } }),
    {
      share: 1,
      parents: { region: regions },
      row: (_random, _n, { region }) => ({ currency: region.currency }),
      isInsertOnly: true,
    },
  )
  const rows = new SampleRows(1, sampleCounts([regions, prices], 10))
  expect(() => rows.row(prices, 0)).toThrow(
    expect.objectContaining({ code: 'SYSTEM_INVALID', what: 'a sample row of public.prices has no value for currency' }),
  )
})

test('a parent without its key is refused with what to write', () => {
  const counted = sampleTable(
    table('counted', { aggregate: 'Counted', key: ['id'], topic: topic('t.counted'), columns: { id: integer(), name: text() } }),
    { share: 1, row: () => ({ name: 'any' }), isInsertOnly: true },
  )
  const child = sampleTable(
    table('children', { aggregate: 'Child', key: ['id'], topic: topic('t.children'), columns: { id: uuid(), of: integer() } }),
    { share: 1, parents: { counted }, row: (_random, _n, parents) => ({ of: parents.counted.id }), isInsertOnly: true },
  )
  const rows = new SampleRows(1, sampleCounts([counted, child], 10))
  expect(() => rows.row(child, 0)).toThrow(
    expect.objectContaining({
      code: 'SYSTEM_INVALID',
      why: 'public.children refers to public.counted, whose row does not name its key column id',
      ways: ['let row of public.counted give it, such as  id: n + 1'],
    }),
  )
})

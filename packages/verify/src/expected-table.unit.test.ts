import { decrypt, encrypt, handler, held, integer, mapTable, sql, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { expectedTables } from './expected-table.ts'
import { scaleOf } from './target-catalog.ts'

const source = table('people', {
  columns: { id: integer(), name: text(), kind: text() },
  key: ['id'],
  aggregate: 'Person',
  topic: topic('people'),
})
const migrations = new URL('file:///none/')
const mapping = (into: string, columns: 'id' | 'both', kind: string) =>
  mapTable(source, {
    into,
    columns: (c) => (columns === 'id' ? { id: c.id } : { id: c.id, name: c.name }),
    filter: (c) => (kind === 'a' ? sql`${c.kind} = 'a'` : sql`${c.kind} <> 'a'`),
  })

test('two mappings into one table are put together, if they fill the same columns', () => {
  const [people] = expectedTables({ migrations, projections: [mapping('all', 'both', 'a'), mapping('all', 'both', 'b')] })
  expect(people).toMatchObject({ unverifiable: null, columns: ['id', 'name'] })
  expect(people!.queries).toHaveLength(2)
})

test('two mappings that fill one table in different columns have no query of their own', () => {
  const [people] = expectedTables({ migrations, projections: [mapping('all', 'both', 'a'), mapping('all', 'id', 'b')] })
  expect(people!.unverifiable).toContain('different columns')
})

test('a mapping without the source key, and an expectation whose key it does not give, are unverifiable', () => {
  const noKey = mapTable(source, { into: 'names', columns: (c) => ({ name: c.name }) })
  const expectation = { targetSchema: 'public', target: 'counts', key: ['day'], columns: ['n'], query: 'SELECT 1' }
  const counting = handler('count', { expectations: [expectation], apply: async () => undefined })
  const tables = expectedTables({ migrations, projections: [noKey, counting] })
  expect(tables.map((t) => t.unverifiable)).toEqual([
    'mapping "people->names" keeps no column of the source\'s key',
    "key columns day are not among the expectation's columns",
  ])
})

test('where a handler keeps granted values, the placeholder is expected of erased subjects: they are told by their column', () => {
  const person = table('people', {
    columns: { id: integer(), name: text() },
    key: ['id'],
    aggregate: 'Person',
    topic: topic('people'),
    privacy: { name: encrypt({ subject: 'id' }) },
  })
  const expected = (columns: readonly string[]) => {
    const expectation = { targetSchema: 'public', target: 'lines', key: ['line'], columns, query: 'SELECT 1' }
    const holds = [held(person, 'name', { into: 'lines', as: 'line', subject: 'who' })]
    const greet = handler('greet', { tables: [person], holds, expectations: [expectation], apply: async () => undefined })
    return expectedTables({ migrations, projections: [greet], decrypt: [decrypt(person, { name: "it's gone" })] })[0]!
  }
  const told = expected(['who', 'line'])
  expect(told.unverifiable).toBeNull()
  expect(told.queries[0]).toMatch(
    /^SELECT e\."who", CASE WHEN .* THEN 'it''s gone' ELSE e\."line" END AS "line" FROM \(SELECT 1\) AS e$/,
  )
  expect(told.privacy?.erasedQueries).toHaveLength(1)
  expect(expected(['line']).unverifiable).toContain('does not give "who"')
})

// typmod = ((precision << 16) | (scale & 0x7ff)) + 4, see numeric.c
test.each([
  [(14 << 16) | 2, 2],
  [(5 << 16) | (-2 & 0x7ff), -2],
  [(10 << 16) | 0, 0],
])('the scale is read from a typmod, also a negative one', (bits, scale) => {
  expect(scaleOf(bits + 4)).toBe(scale)
})

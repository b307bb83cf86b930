import pg from 'pg'
import { expect, test } from 'vitest'
import { StatementNames } from './statement-names.ts'

test('a text keeps its name, and another text has another one', () => {
  const names = new StatementNames(true)
  const first = names.named('SELECT $1', [1])
  expect(first).toEqual({ text: 'SELECT $1', values: [1], name: 'g1_1' })
  expect(names.named('SELECT $1', [2]).name).toBe('g1_1')
  expect(names.named('SELECT $1::int', []).name).toBe('g1_2')
})

test('texts without end get no names without end', () => {
  const names = new StatementNames(true)
  const given = Array.from({ length: 1_000 }, (_, i) => names.named(`SELECT ${i}`, []).name)
  expect(given.filter((name) => name !== undefined)).toHaveLength(200)
})

test('behind a pooler there are none', () => {
  expect(new StatementNames(false).named('SELECT 1', [])).not.toHaveProperty('name')
})

test('a plan that a migration made stale voids every name; another error does not', () => {
  const names = new StatementNames(true)
  names.named('SELECT 1', [])
  const error = new pg.DatabaseError('cached plan must not change result type', 0, 'error')
  error.code = '0A000'
  expect(names.renewAfter(error)).toBe(false)
  error.routine = 'RevalidateCachedQuery'
  expect(names.renewAfter(error)).toBe(true)
  expect(names.named('SELECT 1', []).name).toBe('g2_1')
})

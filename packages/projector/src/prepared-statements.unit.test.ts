import pg from 'pg'
import { expect, test } from 'vitest'
import { PreparedStatements } from './prepared-statements.ts'

const fault = (code: string): Error => Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code })

test('a text keeps its name', () => {
  const statements = new PreparedStatements()
  const [a, b] = [statements.named('SELECT 1', []), statements.named('SELECT 2', [])]
  expect(a.name).not.toBe(b.name)
  expect(statements.named('SELECT 1', [5])).toEqual({ ...a, values: [5] })
})

test('texts without end get no names without end', () => {
  const statements = new PreparedStatements()
  const names = Array.from({ length: 1000 }, (_, i) => statements.named(`SELECT ${i}`, []).name)
  expect(names.filter((n) => n !== undefined)).toHaveLength(200)
})

test('behind a pooler that does not know the names none is used any more; other faults are not about names', () => {
  const statements = new PreparedStatements()
  expect(statements.giveUpAfter(fault('23505'))).toBe(false)
  expect(statements.named('SELECT 1', []).name).toBeDefined()
  expect(statements.giveUpAfter(fault('26000'))).toBe(true)
  expect(statements.named('SELECT 1', []).name).toBeUndefined()
  expect(statements.giveUpAfter(fault('26000'))).toBe(false)
})

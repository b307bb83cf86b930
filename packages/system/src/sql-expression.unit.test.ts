import { expect, test } from 'vitest'
import { columnsOf, renderSql, sql } from './sql-expression.ts'

const a = { kind: 'column', name: 'a' } as const
const b = { kind: 'column', name: 'b' } as const
const quote = (column: string): string => `s."${column}"`

test('an expression is its text with the references put in', () => {
  expect(renderSql(sql`coalesce(${a}, ${b}, ${a})`, quote)).toBe('coalesce(s."a", s."b", s."a")')
  expect(renderSql(sql`1`, quote)).toBe('1')
  expect(renderSql(a, quote)).toBe('s."a"')
})

test('an expression names each column that it reads once', () => {
  expect(columnsOf(sql`${a} || ${b} || ${a}`)).toEqual(['a', 'b'])
  expect(columnsOf(sql`1`)).toEqual([])
  expect(columnsOf(b)).toEqual(['b'])
})

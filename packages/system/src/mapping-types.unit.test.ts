/** What the compiler finds in a definition: each `@ts-expect-error` fails the type check if its line is no error any more. */
/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument -- the lines are errors on purpose */
import { expect, expectTypeOf, test } from 'vitest'
import { type ColumnRef, type TableMapping, bigint, boolean, mapTable, sql, table, text, topic } from './index.ts'

const books = table('books', {
  aggregate: 'Book',
  key: ['id'],
  topic: topic('shop.books'),
  columns: { id: bigint(), title: text(), in_print: boolean() },
})

test('a mapping knows the columns of its table by name', () => {
  mapTable(books, {
    into: 'titles',
    columns: (c) => {
      expectTypeOf(c).toEqualTypeOf<{
        readonly id: ColumnRef<'id'>
        readonly title: ColumnRef<'title'>
        readonly in_print: ColumnRef<'in_print'>
      }>()
      return { id: c.id }
    },
  })
  expectTypeOf(mapTable(books, { into: 'titles' })).toEqualTypeOf<TableMapping>()
})

test('a column that the table does not have is an error', () => {
  // @ts-expect-error books has no column "isbn"
  mapTable(books, { into: 'titles', columns: (c) => ({ id: c.id, isbn: c.isbn }) })
  // @ts-expect-error nor in an expression, where it is undefined
  expect(() => mapTable(books, { into: 'titles', columns: (c) => ({ id: c.id, isbn: sql`upper(${c.isbn})` }) })).not.toThrow()
  // @ts-expect-error nor in a filter
  mapTable(books, { into: 'titles', filter: (c) => sql`${c.out_of_print}` })
})

test('a key column that the table does not have is an error', () => {
  // @ts-expect-error "isbn" is none of the columns
  table('books', { aggregate: 'Book', key: ['isbn'], topic: topic('shop.books'), columns: { id: bigint() } })
})

test('only column references go into SQL, never values', () => {
  // @ts-expect-error a value would have to be quoted
  mapTable(books, { into: 'titles', columns: (c) => ({ id: c.id, title: sql`${c.title} || ${'suffix'}` }) })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type TableReference, loadOrder } from './load-order.ts'

test('parents go before children, others in the order of the definition', () => {
  const references = [
    { table: 'lines', refersTo: 'orders' },
    { table: 'orders', refersTo: 'customers' },
    { table: 'lines', refersTo: 'products' },
  ]
  expect(loadOrder(['lines', 'orders', 'customers', 'products', 'notes'], references)).toEqual([
    'customers',
    'orders',
    'products',
    'lines',
    'notes',
  ])
})

test('a ring of references is cut at one place, and loses no table', () => {
  const references = [
    { table: 'a', refersTo: 'b' },
    { table: 'b', refersTo: 'c' },
    { table: 'c', refersTo: 'a' },
  ]
  expect(loadOrder(['a', 'b', 'c'], references)).toEqual(['c', 'b', 'a'])
})

test('any references without a ring are kept, each table once', () => {
  const tables = Array.from({ length: 8 }, (_, i) => `t${i}`)
  // A table refers to those with a greater number only.
  const reference = fc
    .tuple(fc.nat(7), fc.nat(7))
    .filter(([a, b]) => a < b)
    .map(([a, b]): TableReference => ({ table: `t${a}`, refersTo: `t${b}` }))
  fc.assert(
    fc.property(fc.shuffledSubarray(tables, { minLength: 8 }), fc.array(reference), (order, references) => {
      const ordered = loadOrder(order, references)
      expect([...ordered].sort()).toEqual(tables)
      for (const r of references) expect(ordered.indexOf(r.refersTo)).toBeLessThan(ordered.indexOf(r.table))
    }),
  )
})

import { formatEventData } from '@sluice/core'
import { UNCHANGED } from '@sluice/pgoutput'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRowEncoder } from './row-encoder.ts'

test('a row is the JSON that formatEventData of core gives, byte for byte', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((n) => !/^\d+$/.test(n) && n !== '__proto__')
  const value = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()),
    fc.constant(null),
  )
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([n]) => n, maxLength: 20 }), (row) => {
      const encode = createRowEncoder(row.map(([columnName], index) => ({ name: columnName, index })))
      const data = `{"op":"c","after":${encode(row.map(([, v]) => v))}}`
      expect(data).toBe(formatEventData({ op: 'c', after: Object.fromEntries(row) }))
    }),
  )
})

test('what is unavailable is absent, and NULL is null, wherever they stand', () => {
  const encode = createRowEncoder([
    { name: 'a', index: 2 },
    { name: 'b', index: 0 },
    { name: 'c', index: 1 },
  ])
  expect(encode(['x', null, UNCHANGED])).toBe('{"b":"x","c":null}')
  expect(encode([UNCHANGED, UNCHANGED, UNCHANGED])).toBe('{}')
  expect(encode([UNCHANGED, 'z', 'y'])).toBe('{"a":"y","c":"z"}')
})

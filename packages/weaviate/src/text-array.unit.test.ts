import { expect, test } from 'vitest'
import { textArrayElements, textArrayOf } from './text-array.ts'

/** As `SELECT array[…]::text` prints them. */
const PRINTED: readonly (readonly [string, readonly string[]])[] = [
  ['{}', []],
  ['{a,b}', ['a', 'b']],
  ['{"","b c","NULL","d,e","{f}"}', ['', 'b c', 'NULL', 'd,e', '{f}']],
  [String.raw`{"a\"b","c\\d"}`, ['a"b', String.raw`c\d`]],
  ['{"line\nbreak",żółw,\u00a0}', ['line\nbreak', 'żółw', '\u00a0']],
]

test.each(PRINTED)('%j is read and written as PostgreSQL writes it', (text, elements) => {
  expect(textArrayElements(text)).toEqual(elements)
  expect(textArrayOf(elements)).toBe(text)
})

test.each(['{a,NULL}', '{{a},{b}}', '[0:1]={a,b}', '{a', '{a,}'])('%s is none that a property holds', (text) => {
  expect(textArrayElements(text)).toBeNull()
})

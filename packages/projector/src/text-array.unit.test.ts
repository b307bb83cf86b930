import { expect, test } from 'vitest'
import { textArray } from './text-array.ts'

test('NULL, the text "NULL", quotes, backslashes and empty texts stay what they are', () => {
  expect(textArray([])).toBe('{}')
  expect(textArray([null, 'NULL', '', 'a"b', 'c\\d', '{e,f}'])).toBe('{NULL,"NULL","","a\\"b","c\\\\d","{e,f}"}')
})

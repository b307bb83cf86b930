import { expect, test } from 'vitest'
import { remainsOf } from './chunk-remains.ts'

const ROWS = [['a'], ['b'], ['c'], ['d']]

function remains(changed: Readonly<Record<string, string | null>>, isTruncated = false): unknown {
  const text = (key: string): string => JSON.stringify([key])
  const keys = new Map(Object.entries(changed).map(([key, as]) => [text(key), as === null ? null : text(as)]))
  return remainsOf(ROWS, { isTruncated, keys }, (row) => [row[0]!])
}

test('rows that changed meanwhile are left to the stream; after a truncate, all of them', () => {
  expect(remains({})).toEqual({ left: ROWS, readAgain: [] })
  expect(remains({ b: null, x: null })).toEqual({ left: [['a'], ['c'], ['d']], readAgain: [] })
  expect(remains({}, true)).toEqual({ left: [], readAgain: [] })
})

test('a row that was not sent whole is read again under the key that it has at the end', () => {
  expect(remains({ a: 'a', b: 'x', x: 'y', y: 'y', c: 'z', z: null })).toEqual({ left: [['d']], readAgain: [['a'], ['y']] })
  // Two rows changed places.
  expect(remains({ a: 'b', b: 'a' })).toEqual({ left: [['c'], ['d']], readAgain: [['a'], ['b']] })
})

test('a key that was asked for and has no row yet, since the query does not see that a row took it, is asked for again', () => {
  const keys = new Map([
    ['["y"]', '["z"]'],
    ['["z"]', '["z"]'],
    ['["gone"]', null],
  ])
  const asked = [['a'], ['y'], ['gone'], ['nothing']]
  expect(remainsOf([['a']], { isTruncated: false, keys }, (row) => [row[0]!], asked)).toEqual({
    left: [['a']],
    readAgain: [['z']],
  })
})

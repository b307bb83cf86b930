import { expect, test } from 'vitest'
import { ChangedKeys } from './changed-keys.ts'
import { VisibleTransactions } from './visible-transactions.ts'

function unseenOf(keys: ChangedKeys): unknown {
  const { isTruncated, keys: changed } = keys.unseen()
  return { isTruncated, keys: [...changed] }
}

test('a streamed commit is kept until a query sees it, however many queries come before', () => {
  const keys = new ChangedKeys(10_000)
  keys.begin()
  keys.commit(7)
  keys.change(['a'], true)
  keys.commit(8)
  keys.change(['b', '1'], true)
  keys.saw(new VisibleTransactions('7:9:7'))
  keys.saw(new VisibleTransactions('7:12:7'))
  expect(unseenOf(keys)).toEqual({ isTruncated: false, keys: [['["a"]', null]] })
  keys.saw(new VisibleTransactions('12:12:'))
  expect(unseenOf(keys)).toEqual({ isTruncated: false, keys: [] })
  expect(keys.bytes).toBe(0)
})

test('a large commit of which a query is told half way is not wanted on', () => {
  const keys = new ChangedKeys(10_000)
  keys.begin()
  keys.commit(7)
  keys.change(['a'], true)
  keys.saw(new VisibleTransactions('8:8:'))
  keys.change(['b'], true)
  expect([keys.bytes, unseenOf(keys)]).toEqual([0, { isTruncated: false, keys: [] }])
})

test('a commit that a query sees already is not kept, one that it does not see is', () => {
  const keys = new ChangedKeys(10_000)
  keys.begin()
  keys.saw(new VisibleTransactions('20:22:20'))
  for (const xid of [19, 20, 21, 22]) {
    keys.commit(xid)
    keys.change([String(xid)], true)
  }
  expect(unseenOf(keys)).toEqual({
    isTruncated: false,
    keys: [
      ['["20"]', null],
      ['["22"]', null],
    ],
  })
})

test('a row counts as sent whole if one of the commits sent it so; else it is known under which key it went on', () => {
  const keys = new ChangedKeys(10_000)
  keys.begin()
  keys.commit(1)
  keys.change(['a'], false)
  keys.change(['b'], true)
  keys.commit(2)
  keys.change(['b'], false)
  keys.change(['c'], false)
  keys.change(['c'], true)
  keys.change(['d'], false)
  keys.move(['d'], ['e'], false)
  keys.truncate()
  expect(unseenOf(keys)).toEqual({
    isTruncated: true,
    keys: [
      ['["a"]', '["a"]'],
      ['["b"]', null],
      ['["c"]', null],
      ['["d"]', '["e"]'],
      ['["e"]', '["e"]'],
    ],
  })
})

test('more than its bytes: it is lost as a whole and says so, until it begins anew', () => {
  const keys = new ChangedKeys(1_000)
  expect(keys.isLost).toBe(true)
  keys.begin()
  keys.commit(1)
  for (let key = 0; key < 20; key += 1) keys.change([String(key)], true)
  expect([keys.isLost, keys.bytes]).toEqual([true, 0])
  keys.commit(2)
  keys.change(['later'], true)
  expect(unseenOf(keys)).toEqual({ isTruncated: false, keys: [] })
  keys.begin()
  // The rest of a commit whose beginning was lost is no use: the caller waits until such a commit is seen.
  keys.change(['rest'], true)
  keys.commit(3)
  keys.change(['new'], true)
  expect([keys.isLost, unseenOf(keys)]).toEqual([false, { isTruncated: false, keys: [['["new"]', null]] }])
})

import { expect, test } from 'vitest'
import { VisibleTransactions } from './visible-transactions.ts'

test('what ended before is seen; what is open, or began later, is not', () => {
  const visible = new VisibleTransactions('100:110:100,105')
  expect([99, 100, 101, 105, 109, 110, 111].map((xid) => visible.sees(xid))).toEqual([
    true,
    false,
    true,
    false,
    true,
    false,
    false,
  ])
})

test('nothing open: everything below the end is seen', () => {
  const visible = new VisibleTransactions('750:750:')
  expect([749, 750, 751].map((xid) => visible.sees(xid))).toEqual([true, false, false])
})

test('32 bits wrap around: one epoch back, and one ahead', () => {
  const epoch = 2n ** 32n
  const after = new VisibleTransactions(`${3n * epoch - 5n}:${3n * epoch + 10n}:${3n * epoch - 5n},${3n * epoch + 4n}`)
  const last = 2 ** 32
  expect([last - 6, last - 5, last - 4, 3, 4, 9, 10].map((xid) => after.sees(xid))).toEqual([
    true,
    false,
    true,
    true,
    false,
    true,
    false,
  ])
  const before = new VisibleTransactions(`${2n * epoch - 3n}:${2n * epoch - 3n}:`)
  expect([last - 4, last - 3, last - 1, 3, 7].map((xid) => before.sees(xid))).toEqual([true, false, false, false, false])
})

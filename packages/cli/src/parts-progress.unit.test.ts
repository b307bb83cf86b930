import { expect, test } from 'vitest'
import { partsLine } from './parts-progress.ts'

test('the line says what it is at, how many parts are done, and how long the rest takes', () => {
  let clock = 0
  const line = partsLine(() => clock)
  expect(line('crm', 0, 4)).toBe('crm, 0 of 4 done')
  clock = 3000
  expect(line('orders', 1, 4)).toBe('orders, 1 of 4 done, about 9.0 s left')
  expect(line('orders', 3, 4)).toBe('orders, 3 of 4 done, about 1.0 s left')
})

test('of one part alone there is nothing to count', () => {
  expect(partsLine()('crm', 0, 1)).toBe('crm')
})

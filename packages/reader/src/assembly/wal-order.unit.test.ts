import { expect, test } from 'vitest'
import { WalOrder } from './wal-order.ts'

function ordered(...added: readonly (readonly [lsn: string, item: string])[]): readonly string[] {
  const given: string[] = []
  const order = new WalOrder<string>((item, lsn) => given.push(`${lsn} ${item}`))
  for (const [lsn, item] of added) order.add(item, lsn, item.startsWith('message'))
  order.flush()
  return given
}

test('a message that came after the change with its LSN is given before it, and before what describes it', () => {
  expect(ordered(['0/1', 'row a'], ['0/2', 'relation'], ['0/2', 'row b'], ['0/2', 'message'], ['0/3', 'row c'])).toEqual([
    '0/1 row a',
    '0/2 message',
    '0/2 relation',
    '0/2 row b',
    '0/3 row c',
  ])
})

test('rows of one record keep their order, and a message among them comes before all of them', () => {
  expect(ordered(['0/1', 'row a'], ['0/1', 'row b'], ['0/1', 'message'], ['0/1', 'row c'])).toEqual([
    '0/1 message',
    '0/1 row a',
    '0/1 row b',
    '0/1 row c',
  ])
})

test('what was added is given at the latest when it is asked for', () => {
  const given: string[] = []
  const order = new WalOrder<string>((item) => given.push(item))
  order.add('row a', '0/1', false)
  expect(given).toEqual([])
  order.flush()
  order.flush()
  expect(given).toEqual(['row a'])
})

import { type CapturedTable, integer, table, topic } from '@sluice/system'
import type { RowChange, SystemDemo } from '@sluice/workload'
import { expect, test } from 'vitest'
import { countProblems, emptyTables } from './demo-report.ts'
import { missingChanges } from './row-changes.ts'

const columns = { id: integer() }
const orders = table('orders', { aggregate: 'Order', key: ['id'], topic: topic('d.orders'), columns })
const audit = table('audit', { aggregate: 'Audit', key: ['id'], topic: topic('d.audit'), columns })
const demo: SystemDemo = {
  rowsOf: () => ({}),
  fill: () => Promise.reject(new Error('not called')),
  runWorkload: () => Promise.reject(new Error('not called')),
  changes: new Map<CapturedTable, readonly RowChange[]>([
    [orders, ['insert', 'update', 'delete']],
    [audit, ['insert']],
  ]),
}

test('a table without rows is named with the place that it is in', () => {
  const rows = { monolith: { 'public.orders': 5 }, sales: { 'public.orders': 5, 'public.totals': 0 } }
  expect(emptyTables(rows)).toEqual(['sales: public.totals has no rows'])
})

test('a change that a table allows and that never came is named; one that it does not allow is not missed', () => {
  const some = { insert: 1, update: 0, delete: 3 }
  const none = { insert: 0, update: 0, delete: 0 }
  expect(missingChanges(demo, { 'public.orders': some, 'public.audit': none })).toEqual([
    'the workload made no update in public.orders',
    'the workload made no insert in public.audit',
  ])
  expect(missingChanges(demo, { 'public.orders': { ...some, update: 1 }, 'public.audit': { ...none, insert: 1 } })).toEqual([])
})

test('events that do not fit together are told, each way', () => {
  const whole = { stored: 3, published: 3, applied: {}, duplicates: 0, redelivered: 2, parked: 0 }
  expect(countProblems(whole)).toEqual([])
  expect(countProblems({ ...whole, published: 2, duplicates: 1, parked: 4 })).toEqual([
    '3 events are stored, 2 are in the topics',
    '1 messages in the topics are doubled',
    '4 events are parked',
  ])
})

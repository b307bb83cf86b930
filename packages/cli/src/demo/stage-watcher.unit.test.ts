import { defineSystem, integer, table, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { areLoaded, hasReached } from './stage-watcher.ts'

const here = new URL('./', import.meta.url)
const orders = table('orders', { aggregate: 'Order', key: ['id'], topic: topic('w.orders'), columns: { id: integer() } })
const system = defineSystem({
  name: 'w',
  avroSchemas: here,
  monolith: { tables: [orders] },
  services: { sales: { migrations: here, projections: [], outbox: { topic: topic('w.sales') } } },
})
const streaming = (lane: string) => ({ lane, phase: 'streaming' })

test('a system is loaded once each of its lanes streams, not while one is still to be made', () => {
  expect(areLoaded(system, [])).toBe(false)
  expect(areLoaded(system, [streaming('sales_outbox')])).toBe(false)
  expect(areLoaded(system, [streaming('sales_outbox'), { lane: 'monolith', phase: 'loading' }])).toBe(false)
  expect(areLoaded(system, [streaming('sales_outbox'), streaming('monolith')])).toBe(true)
})

test('a goal is reached once every service is there, and one that was never heard of is at 0', () => {
  expect(hasReached({ applied: { sales: 5n } }, { sales: 5n, audit: 0n })).toBe(true)
  expect(hasReached({ applied: { sales: 5n } }, { sales: 5n, audit: 1n })).toBe(false)
})

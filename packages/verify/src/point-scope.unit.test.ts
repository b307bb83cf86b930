import { type SystemDefinition, defineSystem, handler, integer, mapTable, table, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { pointScope } from './point-scope.ts'

const none = new URL('file:///none/')
const items = table('items', { columns: { id: integer() }, key: ['id'], aggregate: 'Item', topic: topic('items') })
const asked = (source: string) => ({
  source,
  targetSchema: 'public',
  target: 't',
  key: ['id'],
  columns: ['id'],
  query: 'SELECT 1',
})

/** `first` writes events that `second` consumes, which writes events that `third` consumes; `apart` consumes the monolith only. */
const system: SystemDefinition = defineSystem({
  name: 'scoped',
  avroSchemas: none,
  monolith: { tables: [items] },
  services: {
    first: { migrations: none, projections: [mapTable(items, { into: 'a' })], outbox: { topic: topic('first.events') } },
    second: {
      migrations: none,
      projections: [handler('b', { eventTypes: ['A'], expectations: [asked('first')], apply: async () => undefined })],
      outbox: { topic: topic('second.events') },
    },
    third: { migrations: none, projections: [handler('c', { eventTypes: ['B'], apply: async () => undefined })] },
    apart: { migrations: none, projections: [mapTable(items, { into: 'd' })] },
  },
})

test('a service that consumes the monolith alone needs nobody else', () => {
  const scope = pointScope(system, ['apart'])
  expect(scope).toMatchObject({ services: ['apart'], held: ['apart'], outboxLanes: [] })
  expect([...scope.sources]).toEqual([])
})

test('a service that consumes the events of another holds that one too, and asks its database', () => {
  const scope = pointScope(system, ['second'])
  expect(scope.services).toEqual(['second'])
  expect(scope.held).toEqual(expect.arrayContaining(['second', 'first']))
  expect(scope.outboxLanes.map((lane) => lane.name)).toEqual(expect.arrayContaining(['first_outbox']))
  expect([...scope.sources]).toEqual(['first'])
})

test('what is upstream of upstream stands too', () => {
  expect(pointScope(system, ['third']).held).toEqual(expect.arrayContaining(['third', 'second', 'first']))
})

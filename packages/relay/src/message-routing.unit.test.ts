import {
  type StoredEvent,
  SluiceError,
  epochMicros,
  formatEventData,
  laneId,
  lsnOf,
  parseUuid,
  positionNumber,
} from '@sluice/core'
import type { SchemaRegistry } from '@sluice/avro'
import type { KafkaAdmin } from '@sluice/kafka'
import { type SystemDefinition, bigint, lanesOf, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { createMessageRouter } from './message-routing.ts'

function systemOf(column: string): SystemDefinition {
  const customers = table('customers', {
    aggregate: 'Customer',
    key: ['id'],
    topic: topic('t.customers'),
    columns: { id: bigint(), [column]: text() },
  })
  const orders = table('orders', { aggregate: 'Order', key: ['id'], topic: topic('t.orders'), columns: { id: bigint() } })
  return { name: 't', avroSchemas: new URL('file:///none/'), monolith: { tables: [customers, orders] }, services: {} }
}

function event(changes: Partial<StoredEvent>): StoredEvent {
  return {
    lane: laneId(1),
    position: positionNumber(2),
    eventVersion: 1,
    eventId: parseUuid('0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    eventType: 'CustomerCreated',
    aggregateType: 'Customer',
    aggregateId: parseUuid('1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    aggregateKey: '1',
    eventData: formatEventData({ op: 'c', after: { id: '1', title: 'x' } }),
    ordinal: 0,
    correlationId: 'c',
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    commitLsn: lsnOf(1n),
    committedAt: epochMicros(0n),
    ...changes,
  }
}

const renamed = event({ sentColumns: { id: 'bigint', title: 'text' } })

async function routerOf(system: SystemDefinition, ensure: SchemaRegistry['ensure'] = () => Promise.resolve(7)) {
  const registry = { ensure } as SchemaRegistry
  const admin = { partitionCount: () => Promise.resolve(3), topicConfig: () => Promise.resolve({}) } as unknown as KafkaAdmin
  return createMessageRouter(system, lanesOf(system)[0]!, registry, admin, { messageBytesMax: Infinity })
}

test('an event of a changed table is refused with the difference, until the definition fits it', async () => {
  const before = await routerOf(systemOf('name'))
  expect(() => before(renamed, 0)).toThrow(
    expect.objectContaining({
      code: 'TABLE_CHANGED',
      why: 'column name did not come; columns that the definition does not have: title text',
    }) as Error,
  )
  expect((await routerOf(systemOf('title')))(renamed, 0)).toMatchObject({ topic: 't.customers' })
})

test('a schema that the registry refuses holds its own topic only', async () => {
  const refused = new SluiceError('SCHEMA_INCOMPATIBLE', { what: 'it differs', why: 'field name', ways: ['sluice doctor'] })
  const route = await routerOf(systemOf('title'), (subject) =>
    subject.includes('customers') ? Promise.reject(refused) : Promise.resolve(7),
  )
  expect(() => route(renamed, 0)).toThrow(refused)
  const order = event({ aggregateType: 'Order', eventData: formatEventData({ op: 'c', after: { id: '1' } }) })
  expect(route(order, 0)).toMatchObject({ topic: 't.orders' })
})

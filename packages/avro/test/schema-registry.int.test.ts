import { randomUUID } from 'node:crypto'
import confluent from '@kafkajs/confluent-schema-registry'
import { expect, test } from 'vitest'
import { epochMicros, formatEventData, laneId, lsnOf, parseUuid, positionNumber } from '@sluice/core'
import { type AvroRecord, createEventDecoder, createEventEncoder, createSchemaRegistry, deriveSchemas } from '@sluice/avro'
import { type ColumnType, type SystemDefinition, bigint, integer, numeric, table, text, timestamptz, topic } from '@sluice/system'

const url = process.env['SLUICE_TEST_REGISTRY_URL'] ?? ''
const registry = createSchemaRegistry({ url })

function systemWith(topicName: string, columns: Readonly<Record<string, ColumnType>>): SystemDefinition {
  const orders = table('orders', {
    aggregate: 'Order',
    key: ['id'],
    topic: topic(topicName),
    columns: { id: bigint(), ...columns },
  })
  return { name: 'shop', avroSchemas: new URL('file:///none/'), monolith: { tables: [orders] }, services: {} }
}

function schemaWith(topicName: string, columns: Readonly<Record<string, ColumnType>>): { subject: string; schema: AvroRecord } {
  const [derived] = deriveSchemas(systemWith(topicName, columns))
  if (!derived) throw new Error('no schema')
  return derived
}

const event = {
  lane: laneId(1),
  position: positionNumber(42),
  eventVersion: 1,
  eventId: parseUuid('0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
  eventType: 'OrderCreated',
  aggregateType: 'Order',
  aggregateId: parseUuid('1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
  aggregateKey: '5',
  eventData: formatEventData({ op: 'c', after: { id: '5', note: 'ü', amount: '1.50', at: '2026-11-21 07:00:00+00' } }),
  ordinal: 0,
  correlationId: 'c',
  causationId: null,
  userId: null,
  traceparent: null,
  migrationId: null,
  commitLsn: lsnOf(1n),
  committedAt: epochMicros(1_700_000_000_000_000n),
}

test('the same schema keeps its id, and the subject asks for backward compatibility', async () => {
  const { subject, schema } = schemaWith(`test.${randomUUID()}`, { note: text() })
  const id = await registry.ensure(subject, schema)
  expect(await createSchemaRegistry({ url }).ensure(subject, schema)).toBe(id)
  const config = (await (await fetch(`${url}/config/${subject}`)).json()) as { compatibilityLevel: string }
  expect(config.compatibilityLevel).toBe('BACKWARD')
})

test('a column more or less is compatible', async () => {
  const topicName = `test.${randomUUID()}`
  const first = schemaWith(topicName, { note: text(), gone: integer() })
  const second = schemaWith(topicName, { note: text(), amount: numeric(10, 2).nullable() })
  const id = await registry.ensure(first.subject, first.schema)
  expect(await registry.incompatibilities(second.subject, second.schema)).toEqual([])
  expect(await registry.ensure(second.subject, second.schema)).not.toBe(id)
})

test('a column of another type is refused before anything is registered, with the difference and the way out', async () => {
  const topicName = `test.${randomUUID()}`
  const first = schemaWith(topicName, { note: text(), count: text() })
  const second = schemaWith(topicName, { note: text(), count: integer() })
  await registry.ensure(first.subject, first.schema)
  const error: unknown = await registry.ensure(second.subject, second.schema).catch((e: unknown) => e)
  expect(error).toMatchObject({
    code: 'SCHEMA_INCOMPATIBLE',
    exitCode: 3,
    what: expect.stringContaining(first.subject) as string,
  })
  expect(error).toMatchObject({ why: expect.stringContaining('OrderRow.count was null or string, is null or int') as string })
  const versions: unknown = await (await fetch(`${url}/subjects/${first.subject}/versions`)).json()
  expect(versions).toEqual([1])
})

test("a plain subscriber reads an event with the registry's own client", async () => {
  const [derived] = deriveSchemas(systemWith(`test.${randomUUID()}`, { note: text(), amount: numeric(10, 2), at: timestamptz() }))
  if (!derived) throw new Error('no schema')
  const id = await registry.ensure(derived.subject, derived.schema)
  const value = createEventEncoder(derived, id)(event)
  const plain: unknown = await new confluent.SchemaRegistry({ host: url }).decode(value)
  expect(plain).toMatchObject({
    event_id: event.eventId,
    version: 1,
    position: 42,
    op: 'c',
    before: null,
    after: { note: 'ü' },
  })
})

test('messages of every registered version are read into the newest definition', async () => {
  const topicName = `test.${randomUUID()}`
  const [older] = deriveSchemas(systemWith(topicName, { note: text(), gone: integer() }))
  const newer = systemWith(topicName, { note: text(), added: text().nullable() })
  if (!older) throw new Error('no schema')
  const id = await registry.ensure(older.subject, older.schema)
  const data = formatEventData({ op: 'c', after: { id: '5', note: 'n', gone: '3' } })
  const value = createEventEncoder(older, id)({ ...event, eventData: data })
  const decoded = await createEventDecoder(createSchemaRegistry({ url }), newer).decode(value)
  expect(decoded.after).toEqual({ id: '5', note: 'n', added: null })
})

test('a registry that does not answer is an environment fault; the password is not in it', async () => {
  const nobody = createSchemaRegistry({ url: 'http://127.0.0.1:1', auth: { username: 'u', password: 'hidden' } })
  const { subject, schema } = schemaWith('test.none', { note: text() })
  const error: unknown = await nobody.ensure(subject, schema).catch((e: unknown) => e)
  expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE', exitCode: 3, retry: 'backoff' })
  expect(JSON.stringify(error)).not.toContain('hidden')
})

test('an id that the registry does not have is no event', async () => {
  const [derived] = deriveSchemas(systemWith('test.none', { note: text() }))
  if (!derived) throw new Error('no schema')
  const decoder = createEventDecoder(registry, systemWith('test.none', { note: text() }))
  await expect(decoder.decode(createEventEncoder(derived, 999_999_999)(event))).rejects.toMatchObject({
    code: 'EVENT_NOT_DECODABLE',
  })
})

import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type RowText,
  type StoredEvent,
  claimOf,
  epochMicros,
  formatEventData,
  laneId,
  lsnOf,
  parseUuid,
  positionNumber,
} from '@sluice/core'
import {
  type SystemDefinition,
  arrayOf,
  bigint,
  boolean,
  bytea,
  date,
  double,
  enumType,
  integer,
  jsonb,
  numeric,
  real,
  smallint,
  table,
  text,
  time,
  timestamp,
  timestamptz,
  topic,
  uuid,
} from '@sluice/system'
import type { AvroRecord } from './avro-schema.ts'
import { createEventDecoder } from './event-decoder.ts'
import { createEventEncoder } from './event-encoder.ts'
import { type TopicSchema, deriveSchemas } from './event-schema.ts'

const everything = table('everything', {
  aggregate: 'Everything',
  key: ['id'],
  topic: topic('test.everything'),
  columns: {
    id: bigint(),
    small: smallint(),
    number: integer(),
    flag: boolean(),
    single: real(),
    twice: double(),
    money: numeric(20, 4),
    free: numeric(),
    'odd name': text(),
    list: arrayOf(text()),
    document: jsonb(),
    raw: bytea(),
    day: date(),
    hour: time(),
    at: timestamptz(),
    wall: timestamp(),
    key: uuid(),
    status: enumType('public.status', ['open', 'closed']),
  },
})

const other = table('other', { aggregate: 'Other', key: ['id'], topic: topic('test.everything'), columns: { id: uuid() } })

function systemOf(tables: SystemDefinition['monolith']['tables']): SystemDefinition {
  return {
    name: 'test',
    avroSchemas: new URL('file:///none/'),
    monolith: { tables, outbox: { topic: topic('test.everything') } },
    services: {},
  }
}

const system = systemOf([everything, other])
const schema = onlySchema(system)
const encode = createEventEncoder(schema, 7)

function onlySchema(of: SystemDefinition): TopicSchema {
  const [found] = deriveSchemas(of)
  if (!found) throw new Error('no schema')
  return found
}

function decoderOf(written: AvroRecord, into = system) {
  return createEventDecoder({ schemaOf: () => Promise.resolve(written) }, into)
}

function stored(changes: Partial<StoredEvent>): StoredEvent {
  return {
    lane: laneId(1),
    position: positionNumber(42),
    eventVersion: 3,
    eventId: parseUuid('0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    eventType: 'EverythingCreated',
    aggregateType: 'Everything',
    aggregateId: parseUuid('1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    aggregateKey: '9007199254740993',
    eventData: formatEventData({ op: 'c', after: {} }),
    ordinal: 0,
    correlationId: 'c',
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    commitLsn: lsnOf(0x16_b374d848n),
    committedAt: epochMicros(1_700_000_000_123_456n),
    ...changes,
  }
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('x'.repeat(5000)), fc.constant('é'.repeat(70)))
const numericText = fc.oneof(
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '0.0000', '-0.0001', '9999999999999999.9999'),
  fc
    .tuple(fc.boolean(), fc.bigInt({ min: 1n, max: 10n ** 16n }), fc.integer({ min: 0, max: 9999 }))
    .map(([isNegative, whole, fraction]) => `${isNegative ? '-' : ''}${whole}.${String(fraction).padStart(4, '0')}`),
)
const bits = (size: number) => fc.integer({ min: -(2 ** (size - 1)), max: 2 ** (size - 1) - 1 }).map(String)
const values: Record<string, fc.Arbitrary<string>> = {
  id: int64.map(String),
  small: bits(16),
  number: bits(32),
  flag: fc.constantFrom('t', 'f'),
  single: fc.oneof(fc.float().map(String), fc.constantFrom('NaN', '-0', '1e+06', 'Infinity')),
  twice: fc.oneof(fc.double().map(String), fc.constantFrom('NaN', '-0', '1e+15', '1e-05', '-Infinity')),
  money: numericText,
  free: numericText,
  'odd name': anyText,
  list: anyText,
  document: fc.json(),
  raw: fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  day: fc.oneof(
    fc.constantFrom('infinity', '-infinity', '0044-03-15 BC', '5874897-12-31'),
    fc.constantFrom('2024-02-29', '0001-01-01', '9999-12-31'),
  ),
  hour: fc.constantFrom('00:00:00', '24:00:00', '23:59:59.999999', '12:30:00.5'),
  at: fc.constantFrom(
    'infinity',
    '2026-11-21 07:00:00.25+00',
    '0044-03-15 00:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    '1816-01-02 03:04:05+00',
  ),
  wall: fc.constantFrom('-infinity', '2026-11-21 07:00:00.000001', '1969-12-31 23:59:59', '1600-01-01 00:00:00'),
  key: fc.uuid(),
  status: fc.constantFrom('open', 'closed', 'a label that is new'),
}
/** Each column: a value, NULL, or not sent. */
const row = fc
  .record(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fc.option(value, { nil: null })])), {
    requiredKeys: [],
  })
  .map((columns) => withoutHoles(columns))

function withoutHoles(columns: Readonly<Record<string, string | null | undefined>>): RowText {
  return Object.fromEntries(Object.entries(columns).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

describe('the codec', () => {
  test('every column comes back byte for byte: value, NULL, or not sent', async () => {
    const decoder = decoderOf(schema.schema)
    await fc.assert(
      fc.asyncProperty(row, row, async (before, after) => {
        const event = await decoder.decode(encode(stored({ eventData: formatEventData({ op: 'u', before, after }) })))
        expect(event.before).toEqual(before)
        expect(event.after).toEqual(after)
      }),
    )
  })

  test('the envelope comes back, with numbers beyond 2^53 whole', async () => {
    const event = stored({ position: positionNumber(2n ** 62n + 1n), causationId: 'x', userId: 'ü', migrationId: 'run' })
    expect(await decoderOf(schema.schema).decode(encode(event))).toMatchObject({
      eventId: event.eventId,
      eventType: 'EverythingCreated',
      aggregateType: 'Everything',
      aggregateId: event.aggregateId,
      aggregateKey: '9007199254740993',
      version: 3,
      lane: 1,
      position: 2n ** 62n + 1n,
      commitLsn: '16/B374D848',
      committedAtMicros: 1_700_000_000_123_456n,
      context: { correlationId: 'c', causationId: 'x', userId: 'ü' },
      migrationId: 'run',
      op: 'c',
    })
  })

  test('delete, truncate, own events, and the rows of another aggregate of the topic', async () => {
    const decoder = decoderOf(schema.schema)
    const decode = (changes: Partial<StoredEvent>) => decoder.decode(encode(stored(changes)))
    expect(await decode({ eventData: '{"op":"d","before":{"id":"5"}}' })).toMatchObject({
      op: 'd',
      before: { id: '5' },
      after: null,
    })
    expect(await decode({ eventData: '{"op":"t"}' })).toMatchObject({ op: 't', before: null, after: null })
    expect(await decode({ aggregateType: 'note', eventData: '{"op":"e","payload":"[1]"}' })).toMatchObject({
      op: 'e',
      payload: '[1]',
    })
    const id = '1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'
    const another = { aggregateType: 'Other', eventData: formatEventData({ op: 'r', after: { id } }) }
    expect(await decode(another)).toMatchObject({ op: 'r', aggregateType: 'Other', after: { id } })
  })

  test('avsc reads the same bytes with the same schema', () => {
    const type = avsc.Type.forSchema(structuredClone(schema.schema) as unknown as avsc.Schema, { wrapUnions: true })
    fc.assert(
      fc.property(row, (after) => {
        // Beyond 2^53 avsc's own long refuses, loudly.
        const small = { ...after, id: '5' }
        const value: unknown = type.fromBuffer(
          encode(stored({ eventData: formatEventData({ op: 'c', after: small }) })).subarray(5),
        )
        expect(type.isValid(value)).toBe(true)
        expect(
          type.toBuffer(value).equals(encode(stored({ eventData: formatEventData({ op: 'c', after: small }) })).subarray(5)),
        ).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('claims come back, for avsc and for a subscriber of the schema from before them too; their columns are not sent, never NULL', async () => {
    const event = stored({ eventData: formatEventData({ op: 'u', before: { id: '1' }, after: { id: '1', document: null } }) })
    const claims = [claimOf(event.eventId, 'before', 'raw', '\\x00'), claimOf(event.eventId, 'after', 'odd name', 'größer')]
    const value = encode(event, claims)
    const read = await decoderOf(schema.schema).decode(value)
    expect(read.claims).toEqual(claims)
    expect(read.after).toEqual({ id: '1', document: null })
    expect((await decoderOf(schema.schema).decode(encode(event))).claims).toBeUndefined()

    const type = avsc.Type.forSchema(structuredClone(schema.schema) as unknown as avsc.Schema)
    expect(type.fromBuffer(value.subarray(5))).toMatchObject({
      claims: claims.map(({ claimId, row, column, bytes, sha256 }) => ({ claim_id: claimId, row, column, bytes, sha256 })),
    })
    const older = { ...schema.schema, fields: schema.schema.fields.filter((field) => field.name !== 'claims') }
    const known = avsc.Type.forSchema(structuredClone(older) as unknown as avsc.Schema)
    const resolved = known.fromBuffer(value.subarray(5), known.createResolver(type)) as { readonly after: object }
    expect(resolved).not.toHaveProperty('claims')
    const unavailable = expect.objectContaining({}) as object
    expect(resolved.after).toMatchObject({ 'sluice.test.EverythingRow': { document: null, odd_u20_name: unavailable } })
  })

  test('a message of an older schema is read into the newest definition', async () => {
    const { number, day, ...kept } = everything.columns
    const older = table('everything', {
      aggregate: 'Everything',
      key: ['id'],
      topic: topic('test.everything'),
      columns: { ...kept, gone: text() },
    })
    const olderSchema = onlySchema(systemOf([older]))
    const data = { id: '1', flag: 't', gone: 'dropped since' }
    const value = createEventEncoder(olderSchema, 6)(stored({ eventData: formatEventData({ op: 'c', after: data }) }))
    const event = await decoderOf(olderSchema.schema).decode(value)
    expect(event.after).toEqual({ id: '1', flag: 't', number: null, day: null })
    expect([number, day].length).toBe(2)
  })

  test.each([
    ['id', '12x'],
    ['id', '9223372036854775808'],
    ['number', '1.5'],
    ['flag', 'yes'],
    ['raw', 'abc'],
  ])('a text that the column can not hold is refused by name, not by value: %s', (column, value) => {
    const event = stored({ eventData: formatEventData({ op: 'c', after: { [column]: value } }) })
    expect(() => encode(event)).toThrow(
      expect.objectContaining({ code: 'EVENT_NOT_ENCODABLE', why: expect.stringContaining(column) as string }) as Error,
    )
    expect(() => encode(event)).not.toThrow(value)
    // What was begun is not in the next value.
    expect(encode(stored({}))[0]).toBe(0)
  })

  test.each(['', 'no event', '\u0000\u0000\u0000\u0000\u0007', '\u0000\u0000\u0000\u0000\u0007\u00ff\u00ff\u00ff'])(
    '%j is no event',
    async (text) => {
      await expect((async () => decoderOf(schema.schema).decode(Buffer.from(text, 'latin1')))()).rejects.toMatchObject({
        code: 'EVENT_NOT_DECODABLE',
      })
    },
  )

  test('no cut of a value is taken for one', async () => {
    const decoder = decoderOf(schema.schema)
    const value = encode(stored({ eventData: formatEventData({ op: 'c', after: { id: '7', free: '1.5' } }) }))
    await decoder.decode(value)
    for (let length = 5; length < value.length; length++) {
      expect(() => decoder.decode(value.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'EVENT_NOT_DECODABLE' }) as Error,
      )
    }
    expect(() => decoder.decode(Buffer.concat([value, Buffer.alloc(1)]))).toThrow(
      expect.objectContaining({ code: 'EVENT_NOT_DECODABLE' }) as Error,
    )
  })
})

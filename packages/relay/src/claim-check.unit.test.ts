import { createEventDecoder, createEventEncoder, deriveSchemas } from '@sluice/avro'
import {
  type EventData,
  type RowText,
  type StoredEvent,
  epochMicros,
  formatEventData,
  isClaimed,
  laneId,
  lsnOf,
  parseUuid,
  positionNumber,
} from '@sluice/core'
import { type SystemDefinition, bigint, bytea, jsonb, numeric, table, text, topic } from '@sluice/system'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CheckedEvent, checkValues } from './claim-check.ts'

const papers = table('papers', {
  aggregate: 'Paper',
  key: ['id'],
  topic: topic('papers'),
  columns: { id: text(), number: bigint(), body: text().nullable(), scan: bytea(), facts: jsonb(), price: numeric(9, 2) },
})
const system: SystemDefinition = {
  name: 'claim-check',
  avroSchemas: new URL('file:///none/'),
  monolith: { tables: [papers] },
  services: {},
}
const [schema] = deriveSchemas(system)
const encode = createEventEncoder(schema!, 7)
const decoder = createEventDecoder({ schemaOf: () => Promise.resolve(schema!.schema) }, system)

function stored(data: EventData): StoredEvent {
  return {
    lane: laneId(1),
    position: positionNumber(1),
    eventVersion: 1,
    eventId: parseUuid('0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    eventType: 'PaperUpdated',
    aggregateType: 'Paper',
    aggregateId: parseUuid('1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'),
    aggregateKey: null,
    eventData: formatEventData(data),
    ordinal: 0,
    correlationId: 'c',
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    commitLsn: lsnOf(1n),
    committedAt: epochMicros(1n),
  }
}

const check = (data: EventData, bytesMax: number): CheckedEvent | null => checkValues(stored(data), papers, encode, bytesMax)

const large = (size: number): string => 'ü"\\'.repeat(size)
const row: fc.Arbitrary<RowText> = fc
  .record(
    {
      body: fc.option(fc.nat(900).map(large), { nil: null }),
      scan: fc.nat(3_000).map((size) => `\\x${'0f'.repeat(size)}`),
      facts: fc.nat(700).map((size) => JSON.stringify({ text: large(size) })),
      price: fc.constantFrom('1.50', 'NaN'),
    },
    { requiredKeys: [] },
  )
  .map((columns) => ({ ...columns, id: 'a', number: '5' }))

test('whatever the bound, the message fits, and with its claims it is the event, byte for byte', async () => {
  let claims = 0
  await fc.assert(
    fc.asyncProperty(row, row, fc.integer({ min: 1_500, max: 12_000 }), async (before, after, bytesMax) => {
      const data = { op: 'u', before, after } as const
      const checked = check(data, bytesMax)
      expect(checked).not.toBeNull()
      expect(checked!.value.length).toBeLessThanOrEqual(bytesMax)
      const event = await decoder.decode(checked!.value)
      const rows = { before: { ...event.before }, after: { ...event.after } }
      for (const { claim, text } of checked!.claimed) {
        expect(rows[claim.row]).not.toHaveProperty(claim.column)
        expect(isClaimed(claim, text)).toBe(true)
        rows[claim.row][claim.column] = text
        claims += 1
      }
      expect(rows).toEqual({ before, after })
      expect(event.claims ?? []).toEqual(checked!.claimed.map(({ claim }) => claim))
    }),
  )
  expect(claims).toBeGreaterThan(100)
})

test('the largest go first, and only as many as have to; an event that fits is left whole', () => {
  const after = { id: 'a', body: 'x'.repeat(3_000), scan: `\\x${'00'.repeat(2_000)}`, facts: JSON.stringify('y'.repeat(1_000)) }
  const columns = (bytesMax: number) => check({ op: 'c', after }, bytesMax)?.claimed.map(({ claim }) => claim.column)
  expect(columns(7_000)).toEqual([])
  expect(check({ op: 'c', after }, 7_000)!.value).toEqual(encode(stored({ op: 'c', after })))
  expect(columns(5_000)).toEqual(['body'])
  expect(columns(2_500)).toEqual(['scan', 'body'])
  expect(columns(1_400)).toEqual(['facts', 'scan', 'body'])
})

test('a value that is claimed again has the same claim', () => {
  const data = { op: 'c', after: { id: 'a', body: large(900) } } as const
  expect(check(data, 1_000)!.claimed).toEqual(check(data, 2_000)!.claimed)
})

test.each([
  ['its key', { op: 'c', after: { id: 'x'.repeat(3_000) } }],
  ['many small values', { op: 'c', after: { id: 'a', body: 'x'.repeat(511), facts: 'y'.repeat(511) } }],
  ['the envelope', { op: 't' }],
] as const)('an event that is too large by %s is not made to fit', (_, data) => {
  expect(check(data, 100)).toBeNull()
})

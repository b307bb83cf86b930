import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EventData, formatEventData, parseEventData } from './event-data.ts'

const row = fc.dictionary(fc.string({ minLength: 1 }), fc.option(fc.string({ unit: 'grapheme' })), { noNullPrototype: true })
const data: fc.Arbitrary<EventData> = fc.oneof(
  fc.record({ op: fc.constantFrom('c', 'r'), after: row }),
  fc.record({ op: fc.constant('u' as const), before: row, after: row }),
  fc.record({ op: fc.constant('d' as const), before: row }),
  fc.record({ op: fc.constant('t' as const) }),
  fc.record({ op: fc.constant('e' as const), payload: fc.json() }),
)

test('every form of event data survives being stored', () => {
  fc.assert(
    fc.property(data, (d) => {
      expect(parseEventData(formatEventData(d))).toEqual(d)
    }),
  )
})

test('NULL and unavailable stay apart', () => {
  const read = parseEventData('{"op":"u","after":{"id":"1","note":null}}')
  expect(read).toEqual({ op: 'u', after: { id: '1', note: null } })
  expect('body' in (read.op === 'u' ? read.after : {})).toBe(false)
})

test.each(['{}', '[]', 'null', '{"op":"x"}', '{"op":"c"}', '{"op":"d","after":{}}', '{"op":"e","payload":1}'])(
  '%s is refused',
  (text) => {
    expect(() => parseEventData(text)).toThrow(expect.objectContaining({ code: 'STORE_EVENT_DATA_INVALID' }) as Error)
  },
)

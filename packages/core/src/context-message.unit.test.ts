import { expect, test } from 'vitest'
import { formatContextMessage, parseContextMessage } from './context-message.ts'

test('a context survives its message', () => {
  const context = { correlationId: 'order-17', causationId: 'click', userId: 'ann', traceparent: '00-a-b-01' }
  expect(parseContextMessage(formatContextMessage(context))).toEqual({ context })
  expect(formatContextMessage({ correlationId: 'x' })).toBe('{"correlationId":"x"}')
})

test('an id longer than 200 characters is refused where it is written', () => {
  expect(() => formatContextMessage({ correlationId: 'x'.repeat(201) })).toThrow(RangeError)
  expect(() => formatContextMessage({ correlationId: '' })).toThrow(RangeError)
})

test.each([
  ['nonsense', 'not JSON'],
  ['[]', 'not a JSON object'],
  ['{"correlationId":1}', 'correlationId is not a text'],
  [`{"userId":"${'x'.repeat(201)}"}`, 'userId is longer than 200 characters'],
])('a wrong message never throws and says what is wrong: %s', (text, problem) => {
  expect(parseContextMessage(text)).toEqual({ context: {}, problem })
})

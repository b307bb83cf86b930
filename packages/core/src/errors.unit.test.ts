import { expect, test } from 'vitest'
import { ERROR_CODES, SluiceError, serializeError } from './errors.ts'

test('every code has a number of its own', () => {
  const numbers = Object.values(ERROR_CODES).map((c) => c.number)
  expect(new Set(numbers).size).toBe(numbers.length)
})

test('an error says what, why and the way out, and keeps its cause', () => {
  const cause = new Error('socket')
  const error = new SluiceError('SLOT_MISSING', {
    what: 'slot "s" is gone',
    why: 'it is not in pg_replication_slots',
    ways: ['sluice doctor'],
    cause,
  })
  expect(error.message).toBe('SLU-2020 slot "s" is gone: it is not in pg_replication_slots')
  expect(error).toMatchObject({ exitCode: 3, retry: 'never', cause })
})

test('a foreign error is unexpected: exit 1, never retried', () => {
  expect(serializeError(new TypeError('x'))).toMatchObject({ code: 'SLU-1999', why: 'TypeError: x' })
  expect(ERROR_CODES.UNEXPECTED).toMatchObject({ exit: 1, retry: 'never' })
})

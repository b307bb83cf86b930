import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDays, formatTime, formatTimestamp, parseDays, parseTime, parseTimestamp } from './calendar.ts'
import { formatDecimal, parseDecimal } from './decimal.ts'
import { formatDouble, formatFloat } from './float-text.ts'

test('a date is the count of days that JavaScript has for it, and comes back', () => {
  fc.assert(
    fc.property(fc.integer({ min: -719_162, max: 2_932_896 }), (days) => {
      const text = formatDays(days)
      expect(parseDays(text)).toBe(days)
      expect(Date.parse(`${text}T00:00:00Z`)).toBe(days * 86_400_000)
    }),
  )
})

test.each([
  'infinity',
  '-infinity',
  '0044-03-15 BC',
  '10000-01-01',
  '2023-02-29',
  '1900-02-29',
  '2024-13-01',
  '0000-01-01',
  '2024-1-01',
])('the date %s stays text', (text) => {
  expect(parseDays(text)).toBeNull()
})

test('a time comes back, to the microsecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 86_400_000_000 }), (micros) => {
      expect(parseTime(formatTime(micros))).toBe(micros)
    }),
  )
  expect(formatTime(parseTime('24:00:00') ?? -1)).toBe('24:00:00')
})

test.each(['24:00:01', '12:60:00', '12:00', '12:00:00.', '12:00:00.10', '12:00:00.1234567'])('the time %s stays text', (text) => {
  expect(parseTime(text)).toBeNull()
})

test('a timestamp comes back, before and after 1970', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 }), (micros) => {
      expect(parseTimestamp(formatTimestamp(micros, '+00'), '+00')).toBe(micros)
      expect(parseTimestamp(formatTimestamp(micros, ''), '')).toBe(micros)
    }),
  )
  expect(parseTimestamp('1970-01-01 00:00:00.000001+00', '+00')).toBe(1)
  expect(parseTimestamp('1969-12-31 23:59:59.5+00', '+00')).toBe(-500_000)
})

test.each([
  'infinity',
  '2024-01-01 00:00:00',
  '2024-01-01 00:00:00+01',
  '2024-01-01 24:00:00+00',
  '4713-01-01 00:00:00+00 BC',
  '9999-12-31 00:00:00+00',
])('the timestamptz %s stays text', (text) => {
  expect(parseTimestamp(text, '+00')).toBeNull()
})

test('a decimal of any precision and scale comes back', () => {
  const column = fc
    .integer({ min: 1, max: 60 })
    .chain((precision) => fc.tuple(fc.constant(precision), fc.integer({ min: 0, max: precision })))
  fc.assert(
    fc.property(column, fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }), ([precision, scale], number) => {
      const unscaled = number % 10n ** BigInt(precision)
      const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
      const text = (unscaled < 0n ? '-' : '') + (scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`)
      const bytes = parseDecimal(text, precision, scale)
      expect(bytes).not.toBeNull()
      expect(formatDecimal(bytes ?? Buffer.alloc(0), scale)).toBe(text)
      expect(BigInt.asIntN((bytes?.length ?? 0) * 8, BigInt(`0x${bytes?.toString('hex') ?? ''}`))).toBe(unscaled)
    }),
  )
})

test.each(['NaN', 'Infinity', '-Infinity', '-0.00', '1.5', '1.500', '01.50', '.50', '1e5', '', '-', '1.5a'])(
  'the numeric(10,2) "%s" stays text',
  (text) => {
    expect(parseDecimal(text, 10, 2)).toBeNull()
  },
)

// From PostgreSQL 17: SELECT x::float8, extra_float_digits 1.
test.each([
  [0.1, '0.1'],
  [1e15, '1e+15'],
  [123456789012345, '123456789012345'],
  [1e-4, '0.0001'],
  [1e-5, '1e-05'],
  [1.5e300, '1.5e+300'],
  [-0, '-0'],
  [5e-324, '5e-324'],
  [100, '100'],
])('%d is printed as PostgreSQL prints it', (value, text) => {
  expect(formatDouble(value)).toBe(text)
})

test.each([
  [Math.fround(0.1), '0.1'],
  [1e6, '1e+06'],
  [123456, '123456'],
  [Math.fround(3.4028235e38), '3.4028235e+38'],
  [Math.fround(1e-5), '1e-05'],
])('the real %d is printed as PostgreSQL prints it', (value, text) => {
  expect(formatFloat(value)).toBe(text)
})

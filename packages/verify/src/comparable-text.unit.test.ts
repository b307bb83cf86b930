import type { ValueForm } from '@sluice/sink'
import { expect, test } from 'vitest'
import { comparableText } from './comparable-text.ts'

/** The first text as PostgreSQL prints the value, the second as ClickHouse does. */
test.each<[ValueForm, string, string]>([
  ['number', '1.20', '1.2'],
  ['number', '-123456789012345678901234567890.10', '-123456789012345678901234567890.1'],
  ['number', '7.00', '7'],
  ['number', '0.0', '0'],
  ['number', '-0', '0'],
  ['number', '007', '7'],
  ['double', '1e+300', '1e300'],
  ['double', '100000', '100000.0'],
  ['time', '2024-02-29 00:00:00+00', '2024-02-29 00:00:00.000000'],
  ['time', '1969-12-31 23:59:59.12+00', '1969-12-31 23:59:59.120'],
  ['time', '2024-02-29 00:00:00', '2024-02-29 00:00:00'],
  ['boolean', 't', 'true'],
  ['boolean', 'f', 'false'],
])('%s: %j and %j are one value', (form, stored, found) => {
  expect(comparableText(form, stored)).toBe(comparableText(form, found))
})

test.each<[ValueForm, string, string]>([
  ['text', '1.20', '1.2'],
  ['text', 't', 'true'],
  ['number', '1.20', '1.21'],
  ['number', '1.2', '-1.2'],
  ['number', '0.1', '0.01'],
  ['number', '10', '1'],
  ['number', '9007199254740993', '9007199254740992'],
  ['number', 'NaN', '0'],
  ['double', '0.1', '0.10000000000000002'],
  ['double', '', '0'],
  ['time', '2024-02-29 00:00:00.1+00', '2024-02-29 00:00:00.01'],
  ['time', '2024-02-29 00:00:00+01', '2024-02-29 00:00:00'],
  ['time', 'infinity', '2299-12-31 23:59:59'],
  ['boolean', 't', 'false'],
])('%s: %j and %j are two values', (form, stored, found) => {
  expect(comparableText(form, stored)).not.toBe(comparableText(form, found))
})

import { expect, test } from 'vitest'
import { columnWriter, printedForm } from './column-value.ts'

const NIL = '00000000-0000-0000-0000-000000000000'

test.each([
  ['String', 'a"b\\\n\t\u2028☃', '"a\\"b\\\\\\n\\t\u2028☃"'],
  ['Nullable(String)', '', '""'],
  ['LowCardinality(Nullable(String))', 'NULL', '"NULL"'],
  ['UUID', NIL, `"${NIL}"`],
  ['Int16', '-32768', '"-32768"'],
  ['UInt64', '18446744073709551615', '"18446744073709551615"'],
  ['Bool', 't', 'true'],
  ['Decimal(18, 2)', '9999999999999999.99', '"9999999999999999.99"'],
  ['Decimal(18, 2)', '-0.10', '"-0.10"'],
  ['Decimal(18, 2)', '1.2000', '"1.20"'],
  ['Decimal(4, 4)', '0.9999', '"0.9999"'],
  ['Decimal(9, 0)', '7.00', '"7"'],
  ['Float64', '-1e+300', '-1e+300'],
  ['Date', '1970-01-01', '"1970-01-01"'],
  ['Date32', '1900-01-01', '"1900-01-01"'],
  ["DateTime('UTC')", '2106-02-07 06:28:15+00', '"2106-02-07 06:28:15"'],
  ["DateTime('UTC')", '2024-02-29 00:00:00.000000+00', '"2024-02-29 00:00:00"'],
  ["DateTime64(6, 'UTC')", '1969-12-31 23:59:59.999999+00', '"1969-12-31 23:59:59.999999"'],
  ["DateTime64(3, 'UTC')", '2024-01-01 00:00:00.120+00', '"2024-01-01 00:00:00.120"'],
  ["DateTime64(6, 'UTC')", '2024-01-01 00:00:00', '"2024-01-01 00:00:00"'],
])('%s holds %j', (type, text, json) => {
  expect(columnWriter(type)?.(text)).toBe(json)
})

test.each([
  ['UUID', 'no'],
  ['Int16', '32768'],
  ['UInt8', '-1'],
  ['Int32', '1.5'],
  ['Int32', ''],
  ['Decimal(18, 2)', '0.001'],
  ['Decimal(18, 2)', '10000000000000000'],
  ['Decimal(18, 2)', 'NaN'],
  ['Decimal(18, 2)', 'Infinity'],
  ['Float64', 'Infinity'],
  ['Float64', 'NaN'],
  ['Date', '2149-06-07'],
  ['Date', 'infinity'],
  ['Date', '0044-03-15 BC'],
  ["DateTime('UTC')", '1969-12-31 23:59:59+00'],
  ["DateTime('UTC')", '2024-01-01 00:00:00.000001+00'],
  ["DateTime64(6, 'UTC')", '2300-01-01 00:00:00+00'],
  ["DateTime64(6, 'UTC')", '-infinity'],
  ["DateTime64(6, 'UTC')", '2024-01-01 00:00:00+01'],
  ["DateTime64(9, 'UTC')", '2263-01-01 00:00:00+00'],
])('%s refuses %j, and nothing is rounded', (type, text) => {
  expect(columnWriter(type)?.(text)).toBeNull()
})

test.each(['DateTime', "DateTime64(6, 'Europe/Berlin')", 'DateTime64(6)', 'Array(String)', 'Enum8(1)', 'Float32'])(
  'nothing is written into %s: what it would hold is not sure',
  (type) => {
    expect(columnWriter(type)).toBeNull()
  },
)

test.each([
  ['LowCardinality(Nullable(String))', 'text'],
  ['UUID', 'text'],
  ['Nullable(Date32)', 'text'],
  ['LowCardinality(UInt8)', 'number'],
  ['Nullable(Decimal(18, 2))', 'number'],
  ['Float64', 'double'],
  ["Nullable(DateTime('UTC'))", 'time'],
  ["DateTime64(6, 'UTC')", 'time'],
  ['Nullable(Bool)', 'boolean'],
])('%s is printed as %s', (type, form) => {
  expect(printedForm(type)).toBe(form)
})

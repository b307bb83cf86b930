import { ClickHouseError } from '@clickhouse/client'
import { expect, test } from 'vitest'
import { toSinkError } from './clickhouse-error.ts'

const target = {
  url: 'http://host:8123',
  database: 'analytics',
  username: 'sluice',
  password: 'x',
  ca: null,
  display: 'clickhouse at http://host:8123/analytics',
}

test.each([
  ['27', 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', 'SINK_REFUSED'],
  ['252', 'TOO_MANY_PARTS', 'SINK_UNREACHABLE'],
])('of what ClickHouse says to code %s only number and name are kept: its text may hold values of a row', (code, type, name) => {
  const answer = new ClickHouseError({ message: "Cannot parse string 'planted-value' as UInt32", code, type })
  const error = toSinkError(answer, target, 'insert into opportunity_events')
  expect(error).toMatchObject({ code: name, why: `ClickHouse answers with code ${code}, ${type}` })
  expect(error.cause).toBeUndefined()
})

import { describe, expect, test } from 'vitest'
import { table } from './captured-table.ts'
import { bigint, numeric, text } from './column-type.ts'
import { isSameType, sentDifferences, unknownColumns } from './sent-columns.ts'
import { topic } from './topic.ts'

describe('types', () => {
  test.each([
    ['numeric', 'numeric(12,2)'],
    ['numeric[]', 'numeric(12,-2)[]'],
    ['character varying', 'character varying(40)'],
    ['text', 'character varying(40)'],
    ['character', 'bpchar'],
    ['bit', '"bit"'],
    ['bit varying', 'bit varying(5)'],
    ['timestamp without time zone', 'timestamp(3) without time zone'],
    ['interval', 'interval day to second(3)'],
    ['interval[]', 'interval year to month[]'],
    ['public.status', 'status'],
    ['public.vector', 'public.vector(3)'],
    ['public.geometry', 'public.geometry(Point,4326)'],
  ])('%s carries %s', (sent, wanted) => {
    expect(isSameType(sent, wanted)).toBe(true)
    expect(isSameType(wanted, sent)).toBe(true)
  })

  test.each([
    ['text', 'jsonb'],
    ['text', 'character(3)'],
    ['integer', 'bigint'],
    ['text[]', 'text'],
    ['billing.status', 'public.status'],
    ['timestamp with time zone', 'timestamp without time zone'],
    ['bit', 'bit varying'],
  ])('%s does not carry %s', (sent, wanted) => {
    expect(isSameType(sent, wanted)).toBe(false)
  })
})

test('what did not come, what came in another type, and what nobody knows is named', () => {
  const prices = table('prices', {
    columns: { id: bigint(), amount: numeric(12, 2), note: text() },
    key: ['id'],
    aggregate: 'Price',
    topic: topic('t'),
  })
  const sent = { id: 'bigint', amount: 'money', remark: 'text' }
  expect(sentDifferences(prices, sent)).toEqual([
    'column amount came as money, the definition says numeric(12,2)',
    'column note did not come',
  ])
  expect(unknownColumns(prices, sent)).toEqual(['remark'])
  expect(sentDifferences(prices, { id: 'bigint', amount: 'numeric', note: 'text', more: 'uuid' })).toEqual([])
})

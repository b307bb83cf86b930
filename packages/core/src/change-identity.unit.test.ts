import fc from 'fast-check'
import { v5 } from 'uuid'
import { expect, test } from 'vitest'
import {
  aggregateName,
  correlationUuid,
  defaultCorrelationId,
  loadedEventId,
  namespaceBytes,
  parseUuid,
  streamedEventId,
  uuidV5,
} from './change-identity.ts'
import { parseLsn } from './lsn.ts'

const EPOCH = '0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'
const epoch = namespaceBytes(EPOCH)

test('uuidV5 gives what the uuid package gives', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => uuidV5(epoch, name) === v5(name, EPOCH)))
})

test('Promise 1: the id of a change follows from lane epoch, commit LSN and ordinal alone', () => {
  const lsn = parseLsn('0/16B3748')
  expect(streamedEventId(epoch, lsn, 7)).toBe(v5('0/16B3748/7', EPOCH))
  expect(streamedEventId(epoch, lsn, 7)).not.toBe(streamedEventId(epoch, lsn, 8))
  expect(streamedEventId(namespaceBytes('1d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22'), lsn, 7)).not.toBe(streamedEventId(epoch, lsn, 7))
})

test('Promise 1: a row of a load has the id of its run, table, key and snapshot', () => {
  expect(loadedEventId(epoch, 'run', 'public.t', '42', parseLsn('0/10'))).toBe(v5('run/public.t/42/0/10', EPOCH))
})

test('an aggregate whose key is one uuid is called by it, any other by the UUIDv5 of its text', () => {
  expect(aggregateName([EPOCH])).toEqual({ id: EPOCH, key: null })
  expect(aggregateName(['42']).key).toBe('42')
  expect(aggregateName(['a', 'b']).key).toBe('["a","b"]')
})

test('no two composite keys share an aggregate', () => {
  const key = fc.array(fc.string(), { minLength: 2, maxLength: 3 })
  fc.assert(
    fc.property(key, key, (a, b) => (aggregateName(a).id === aggregateName(b).id) === (JSON.stringify(a) === JSON.stringify(b))),
  )
})

test('default correlation ids sort as the WAL does', () => {
  const of = (text: string): string => defaultCorrelationId(parseUuid(EPOCH), parseLsn(text))
  expect([of('2/0'), of('0/FF'), of('1/0')].sort()).toEqual([of('0/FF'), of('1/0'), of('2/0')])
})

test('a correlation id that is a uuid stays itself in a uuid column', () => {
  expect(correlationUuid(EPOCH.toUpperCase())).toBe(EPOCH)
  expect(correlationUuid('order-17')).toBe(correlationUuid('order-17'))
})

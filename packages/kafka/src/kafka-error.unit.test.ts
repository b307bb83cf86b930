import { expect, test } from 'vitest'
import { isFenced, toKafkaError } from './kafka-error.ts'

function protocolError(type: string, message = type): Error {
  return Object.assign(new Error(message), { name: 'KafkaJSProtocolError', type })
}

const context = { doing: 'publish to Kafka', brokers: ['a:9092', 'b:9092'], topic: 't' }

test.each([
  ['INVALID_PRODUCER_EPOCH', 'RELAY_FENCED'],
  ['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_MISSING'],
  ['MESSAGE_TOO_LARGE', 'MESSAGE_TOO_LARGE'],
  ['RECORD_LIST_TOO_LARGE', 'MESSAGE_TOO_LARGE'],
  ['NOT_ENOUGH_REPLICAS', 'KAFKA_FAILED'],
  ['TOPIC_AUTHORIZATION_FAILED', 'KAFKA_REFUSED'],
  ['INVALID_RECORD', 'KAFKA_REFUSED'],
])('%s is %s, however deep it is wrapped', (type, code) => {
  const wrapped = new Error('retries exceeded', { cause: new Error('wrapped', { cause: protocolError(type) }) })
  expect(toKafkaError(wrapped, context)).toMatchObject({ code })
})

test('PRODUCER_FENCED, which kafkajs knows by its number only, is a fence', () => {
  expect(isFenced(protocolError('KAFKAJS_UNKNOWN_ERROR_CODE', 'Unknown error code 90'))).toBe(true)
  expect(isFenced(protocolError('KAFKAJS_UNKNOWN_ERROR_CODE', 'Unknown error code 901'))).toBe(false)
})

test('a refused connection is unreachable, with every address', () => {
  const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9092'), { name: 'KafkaJSConnectionError' })
  expect(toKafkaError(error, context)).toMatchObject({
    code: 'KAFKA_UNREACHABLE',
    why: expect.stringContaining('a:9092,b:9092') as string,
  })
})

test('a connection that ended without a word may be one that only the other side encrypts', () => {
  const waysOf = (message: string): string =>
    toKafkaError(Object.assign(new Error(message), { name: 'KafkaJSConnectionError' }), context).ways.join('\n')
  expect(waysOf('read ECONNRESET')).toContain('KAFKA_SSL')
  expect(waysOf('connect ECONNREFUSED 127.0.0.1:9092')).not.toContain('KAFKA_SSL')
})

test('errors that cause each other end', () => {
  const a = new Error('a')
  a.cause = new Error('b', { cause: a })
  expect(toKafkaError(a, context)).toMatchObject({ code: 'KAFKA_FAILED' })
})

test('of an error about several topics it is said what the first one is', () => {
  const one = protocolError('INVALID_REPLICATION_FACTOR', 'Replication-factor is invalid')
  const all = Object.assign(new Error('Topic creation errors'), { errors: [one, one] })
  expect(toKafkaError(all, context)).toMatchObject({
    code: 'KAFKA_FAILED',
    why: 'INVALID_REPLICATION_FACTOR: Replication-factor is invalid',
  })
})

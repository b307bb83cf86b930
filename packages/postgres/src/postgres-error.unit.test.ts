import pg from 'pg'
import { expect, test } from 'vitest'
import { faultOf, toPostgresError } from './postgres-error.ts'
import { postgresTarget } from './target.ts'

const target = postgresTarget('orders', 'postgresql://app:s3cret@db.example/orders')

function databaseError(code: string, rest: Partial<pg.DatabaseError> = {}): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('value "planted-secret" is wrong', 1, 'error'), { code, ...rest })
}

test.each([
  ['40001', 'transient'],
  ['40P01', 'transient'],
  ['53300', 'transient'],
  ['57P01', 'transient'],
  ['55P03', 'transient'],
  ['08006', 'transient'],
  ['22P02', 'permanent'],
  ['23505', 'permanent'],
  ['23503', 'permanent'],
  ['54000', 'permanent'],
  ['P0001', 'permanent'],
  ['P0004', 'permanent'],
  ['54001', 'unknown'],
  ['42P01', 'unknown'],
  ['XX000', 'unknown'],
])('SQLSTATE %s is %s', (code, fault) => {
  expect(faultOf(databaseError(code))).toBe(fault)
})

test('a socket fault is transient, any other error of the process is unknown', () => {
  expect(faultOf(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))).toBe('transient')
  expect(faultOf(new Error('Connection terminated unexpectedly'))).toBe('transient')
  expect(faultOf(new TypeError('x is undefined'))).toBe('unknown')
})

test('the message of a data error holds names, and no value of the row', () => {
  const error = toPostgresError(
    databaseError('23505', { table: 'users', constraint: 'users_email_key', detail: 'Key (email)=(planted-secret)' }),
    target,
  )
  expect(error.message).toContain('constraint users_email_key')
  expect(JSON.stringify([error.message, error.what, error.why, error.ways])).not.toContain('planted-secret')
})

test.each([
  [databaseError('28P01'), 'POSTGRES_AUTH_FAILED'],
  [databaseError('3D000'), 'POSTGRES_AUTH_FAILED'],
  [databaseError('42501'), 'POSTGRES_PRIVILEGE_MISSING'],
  [Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }), 'POSTGRES_UNREACHABLE'],
  [new Error('Connection terminated unexpectedly'), 'POSTGRES_CONNECTION_LOST'],
  [databaseError('42P01'), 'UNEXPECTED'],
  [Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }), 'CERTIFICATE_REFUSED'],
  [new Error('The server does not support SSL connections'), 'TLS_MISSING'],
])('%s becomes %s', (error, code) => {
  expect(toPostgresError(error, target).code).toBe(code)
})

import { expect, test } from 'vitest'
import { postgresTarget, withDatabase } from './target.ts'

test('a target shows host, port and database, and never the password', () => {
  const target = postgresTarget('monolith', 'postgresql://app:s3cret@db.example:6432/shop')
  expect(target.display).toBe('db.example:6432/shop')
  expect(target.config).toMatchObject({ user: 'app', password: 's3cret', host: 'db.example', port: 6432, database: 'shop' })
})

test('another database of the same server', () => {
  const target = withDatabase(postgresTarget('orders', 'postgresql://app:x@db.example/shop'), 'orders')
  expect(target).toMatchObject({ display: 'db.example:5432/orders', database: 'orders', config: { database: 'orders' } })
})

test.each([
  ['mysql://x@h/d', 'it does not begin with postgresql://'],
  ['postgresql://u:p4ss@/d', 'it is not a URL'],
  ['postgresql://u:p4ss@h', 'it names no database'],
])('a wrong URL is refused without showing it: %s', (url, why) => {
  expect(() => postgresTarget('monolith', url)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', why }) as Error)
  try {
    postgresTarget('monolith', url)
  } catch (error) {
    expect(String(error)).not.toContain('p4ss')
  }
})

test('certificates are verified unless the URL says otherwise', () => {
  expect(postgresTarget('m', 'postgresql://u@h/d?sslmode=verify-full').config.ssl).toEqual({})
  expect(postgresTarget('m', 'postgresql://u@h/d?sslmode=no-verify').config.ssl).toEqual({ rejectUnauthorized: false })
})

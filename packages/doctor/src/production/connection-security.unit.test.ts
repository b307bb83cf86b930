import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresTarget } from '@sluice/postgres'
import { afterAll, describe, expect, test } from 'vitest'
import { passwordCheck, postgresTlsCheck, transportChecks } from './connection-security.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-authority-'))
const authority = join(folder, 'ca.pem')
writeFileSync(authority, 'a certificate')

afterAll(() => rmSync(folder, { recursive: true }))

const target = (url: string) => postgresTarget('orders', url)

describe('TLS of a database', () => {
  test.each([
    ['postgresql://a@db.example.org/orders', 'failed'],
    ['postgresql://a@db.example.org/orders?sslmode=disable', 'failed'],
    ['postgresql://a@db.example.org/orders?sslmode=no-verify', 'failed'],
    [`postgresql://a@db.example.org/orders?uselibpqcompat=true&sslmode=verify-ca&sslrootcert=${authority}`, 'warning'],
    [`postgresql://a@db.example.org/orders?sslmode=verify-full&sslrootcert=${authority}`, 'ok'],
    ['postgresql://a@127.0.0.1/orders', 'ok'],
    ['postgresql://a@localhost.example.org/orders', 'failed'],
  ])('%s: %s', (url, status) => {
    expect(postgresTlsCheck('service.orders', target(url))).toMatchObject({ name: 'service.orders.tls', status })
  })

  test('what is missing is said with the variable that it belongs to', () => {
    expect(postgresTlsCheck('service.orders', target('postgresql://a@db/orders')).fix).toEqual([
      '?sslmode=verify-full&sslrootcert=/path/to/ca.pem in SLUICE_ORDERS_URL',
    ])
  })
})

describe('a password', () => {
  test.each([
    ['password', 'failed'],
    ['orders_worker', 'failed'],
    ['PASSWORD', 'failed'],
    ['short', 'failed'],
    ['gk3Jm2xxPq0fZs81', 'ok'],
    ['', 'ok'],
  ])('%s: %s', (password, status) => {
    const check = passwordCheck('service.orders', target(`postgresql://orders_worker:${password}@db/orders`))
    expect(check.status).toBe(status)
    // A short one is part of many words, such as that of the check's own name.
    if (password.length > 8 && !['password', 'orders_worker'].includes(password.toLowerCase()))
      expect(JSON.stringify(check)).not.toContain(password)
  })
})

test('Kafka and the registry over a network: TLS, and who asks', () => {
  const here = {
    kafka: { brokers: ['127.0.0.1:9092'], isEncrypted: false, isAuthenticated: false },
    registry: { url: 'http://localhost:8081' },
  }
  expect(transportChecks(here).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok'])
  const away = {
    kafka: { brokers: ['127.0.0.1:9092', 'kafka:9092'], isEncrypted: false, isAuthenticated: false },
    registry: { url: 'http://registry:8081' },
  }
  expect(transportChecks(away).map(({ name, status }) => `${name} ${status}`)).toEqual([
    'kafka.tls failed',
    'kafka.authentication warning',
    'registry.tls failed',
  ])
  const safe = {
    kafka: { brokers: ['kafka:9093'], isEncrypted: true, isAuthenticated: true },
    registry: { url: 'https://registry' },
  }
  expect(transportChecks(safe).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok'])
})

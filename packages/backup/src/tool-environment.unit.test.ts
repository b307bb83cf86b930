import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresTarget, withDatabase } from '@sluice/postgres'
import { afterAll, expect, test } from 'vitest'
import { toolEnvironment } from './tool-environment.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'))
const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => join(folder, `${name}.pem`))
for (const file of [ca, cert, key]) writeFileSync(file!, 'a certificate')

afterAll(() => rmSync(folder, { recursive: true }))

const environmentOf = (url: string, inherited = {}) => toolEnvironment(postgresTarget('crm', url), 'sluice backup', inherited)

test('a connection is handed on in the environment, the password with it', () => {
  expect(environmentOf('postgresql://ann:p%40ss@db.example.org:6543/crm')).toEqual({
    LC_ALL: 'C',
    PGAPPNAME: 'sluice backup',
    PGCONNECT_TIMEOUT: '10',
    PGHOST: 'db.example.org',
    PGPORT: '6543',
    PGDATABASE: 'crm',
    PGUSER: 'ann',
    PGPASSWORD: 'p@ss',
    PGSSLMODE: 'disable',
  })
})

test('a program inherits neither secrets of Sluice nor another server', () => {
  const inherited = { PATH: '/bin', SLUICE_MASTER_KEY: 'secret', PGSERVICE: 'other', PGHOSTADDR: '10.0.0.1', PGPASSWORD: 'own' }
  const given = environmentOf('postgresql://ann@h/crm', inherited)
  expect(Object.keys(given)).not.toEqual(expect.arrayContaining(['SLUICE_MASTER_KEY']))
  expect(given).toMatchObject({ PATH: '/bin', PGPASSWORD: 'own', PGHOST: 'h' })
  expect([given['PGSERVICE'], given['PGHOSTADDR'], given['SLUICE_MASTER_KEY']]).toEqual([undefined, undefined, undefined])
})

test.each([
  ['sslmode=disable', { PGSSLMODE: 'disable' }],
  ['sslmode=no-verify', { PGSSLMODE: 'require' }],
  ['sslmode=verify-full', { PGSSLMODE: 'verify-full', PGSSLROOTCERT: 'system' }],
  [`sslmode=verify-full&sslrootcert=${ca}`, { PGSSLMODE: 'verify-full', PGSSLROOTCERT: ca }],
  [
    `sslmode=verify-full&sslrootcert=${ca}&sslcert=${cert}&sslkey=${key}`,
    { PGSSLMODE: 'verify-full', PGSSLROOTCERT: ca, PGSSLCERT: cert, PGSSLKEY: key },
  ],
])('TLS of a URL with %s', (query, expected) => {
  const { PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY } = environmentOf(`postgresql://u@h/d?${query}`)
  const found = { PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY }
  expect(Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined))).toEqual(expected)
})

test('another database of the same server keeps the certificates', () => {
  const target = withDatabase(postgresTarget('crm', `postgresql://u@h/d?sslmode=verify-full&sslrootcert=${ca}`), 'other')
  expect(toolEnvironment(target, 'sluice backup', {})).toMatchObject({ PGDATABASE: 'other', PGSSLROOTCERT: ca })
})

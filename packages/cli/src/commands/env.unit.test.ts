import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { defineSystem, mapTable, table, text, topic, uuid } from '@sluice/system'
import { expect, test } from 'vitest'
import type { CommandContext } from '../command.ts'
import { env } from './env.ts'

const items = table('items', {
  aggregate: 'Item',
  key: ['id'],
  topic: topic('shop.items'),
  columns: { id: uuid(), title: text() },
})
const system = defineSystem({
  name: 'shop',
  avroSchemas: new URL('./', import.meta.url),
  monolith: { tables: [items] },
  services: {
    stock: {
      migrations: new URL('./', import.meta.url),
      projections: [mapTable(items, { into: 'items' })],
      outbox: { topic: topic('shop.stock.events') },
      connections: { server: 100, pool: 20, clients: 90 },
    },
  },
})

const URL_WITH_PASSWORD = `postgresql://ann:it's%20hush@db:5432/stock`
const SETTINGS = {
  SLUICE_STOCK_URL: URL_WITH_PASSWORD,
  SLUICE_MONOLITH_URL: 'postgresql://root:other@db/monolith',
  KAFKA_BROKERS: 'kafka:9092',
  KAFKA_SASL_MECHANISM: 'plain',
  KAFKA_SASL_USERNAME: 'ann',
  KAFKA_SASL_PASSWORD: 'hush',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
}

async function run(environment: Readonly<Record<string, string>>, options: object = {}) {
  const context: CommandContext = {
    globals: { system: undefined, json: false, debug: false, logLevel: 'info' },
    environment,
    signal: new AbortController().signal,
    system: async () => system,
    progress: { phase: () => ({ update: () => undefined, done: () => undefined, failed: () => undefined }) },
    say: () => undefined,
  }
  return env(context, { args: ['stock'], options: { scheme: 'postgresql', showSecrets: false, pgbouncer: false, ...options } })
}

/** What a shell has after it took the lines. */
function inShell(lines: string, environment: Readonly<Record<string, string>>, name: string): string {
  const script = `set -eu\n${lines}\nprintf %s "$${name}"`
  return execFileSync('sh', ['-c', script], { env: { PATH: process.env['PATH'], ...environment }, stdio: 'pipe' }).toString()
}

function lineOf(lines: string, name: string): string {
  return lines.split('\n').find((line) => line.startsWith(`export ${name}=`)) ?? ''
}

/** What a shell without any of the variables says of a line; the shell must have ended with an error. */
function complaintOf(line: string): string {
  const { status, stderr, stdout } = spawnSync('sh', ['-c', `${line}\nprintf 'went on with %s' "$DATABASE_URL"`], {
    env: { PATH: process.env['PATH'] },
    encoding: 'utf8',
  })
  expect({ stdout, isRefused: status !== 0 }).toEqual({ stdout: '', isRefused: true })
  return stderr
}

test('a service gets its own database, the servers and its topics, and no other database', async () => {
  const { text: lines } = await run(SETTINGS)
  const names = lines.split('\n').map((line) => /^export (\w+)=/.exec(line)?.[1])
  expect(names).toEqual([
    'DATABASE_URL',
    'KAFKA_BROKERS',
    'KAFKA_SASL_MECHANISM',
    'KAFKA_SASL_USERNAME',
    'KAFKA_SASL_PASSWORD',
    'SCHEMA_REGISTRY_URL',
    'SLUICE_TOPICS',
    'SLUICE_OUTBOX_TOPIC',
  ])
  expect(inShell(lines, SETTINGS, 'SLUICE_TOPICS')).toBe('shop.items')
  expect(inShell(lines, SETTINGS, 'SLUICE_OUTBOX_TOPIC')).toBe('shop.stock.events')
})

test('passwords are not printed, and a shell that has the variables gets them all the same', async () => {
  const { text: lines, result } = await run(SETTINGS)
  expect(lines + JSON.stringify(result)).not.toContain('hush')
  expect(inShell(lines, SETTINGS, 'DATABASE_URL')).toBe(URL_WITH_PASSWORD)
  expect(inShell(lines, SETTINGS, 'KAFKA_SASL_PASSWORD')).toBe('hush')
})

test('a shell that lacks the variable, or its file, is ended instead of getting half a URL', async () => {
  for (const options of [{}, { scheme: 'postgresql+asyncpg' }]) {
    const { text: lines } = await run(SETTINGS, options)
    expect(complaintOf(lineOf(lines, 'DATABASE_URL'))).toContain('SLUICE_STOCK_URL: is not set')
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-env-')), 'url')
    writeFileSync(file, URL_WITH_PASSWORD)
    const { text: fromFile } = await run({ ...SETTINGS, SLUICE_STOCK_URL: '', SLUICE_STOCK_URL_FILE: file }, options)
    rmSync(file)
    expect(complaintOf(lineOf(fromFile, 'DATABASE_URL'))).toContain('its file can not be read')
  }
})

test('those of a file are read from the file', async () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-env-')), "the stock's url")
  writeFileSync(file, `${URL_WITH_PASSWORD}\n`)
  const environment = { ...SETTINGS, SLUICE_STOCK_URL: '', SLUICE_STOCK_URL_FILE: file }
  const { text: lines } = await run(environment)
  expect(lines).not.toContain('hush@')
  expect(inShell(lines, environment, 'DATABASE_URL')).toBe(URL_WITH_PASSWORD)
  const { text: async } = await run(environment, { scheme: 'postgresql+asyncpg' })
  expect(inShell(async, environment, 'DATABASE_URL')).toBe(URL_WITH_PASSWORD.replace('postgresql:', 'postgresql+asyncpg:'))
})

test('--show-secrets prints them, --scheme changes the scheme of the URL', async () => {
  const { text: lines } = await run(SETTINGS, { showSecrets: true, scheme: 'postgresql+asyncpg' })
  expect(inShell(lines, {}, 'DATABASE_URL')).toBe(URL_WITH_PASSWORD.replace('postgresql:', 'postgresql+asyncpg:'))
  const { text: hidden } = await run(SETTINGS, { scheme: 'postgresql+asyncpg' })
  expect(hidden).not.toContain('hush')
  expect(inShell(hidden, SETTINGS, 'DATABASE_URL')).toBe(URL_WITH_PASSWORD.replace('postgresql:', 'postgresql+asyncpg:'))
})

test('a setting that is missing is named before anything is printed', async () => {
  await expect(run({ KAFKA_BROKERS: 'kafka:9092' })).rejects.toMatchObject({
    code: 'CONFIG_MISSING',
    why: expect.stringContaining('SLUICE_STOCK_URL, SCHEMA_REGISTRY_URL') as string,
  })
})

test('--pgbouncer prints the settings of a pooler with the planned connections, and no password', async () => {
  const { text: ini } = await run({ SLUICE_STOCK_URL: URL_WITH_PASSWORD }, { pgbouncer: true })
  expect(ini.split('\n')).toEqual([
    '[databases]',
    "stock = host=db port=5432 dbname='stock'",
    '',
    '[pgbouncer]',
    'pool_mode = transaction',
    'default_pool_size = 20',
    'max_db_connections = 20',
    'max_client_conn = 90',
    'server_login_retry = 1',
    'auth_type = scram-sha-256',
    'auth_file = /etc/pgbouncer/users.txt',
  ])
})

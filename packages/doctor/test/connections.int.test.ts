/** How Sluice gets to the servers: a pooler in between, and as many connections as the definition plans. */
import type { HealthCheck } from '@sluice/core'
import { type Pgbouncer, type TestDatabase, createTestDatabase, startPgbouncer } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { type ServiceConnections, defineSystem, integer, mapTable, table, topic } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkConnections } from '../src/connection-check.ts'
import { checkDatabase } from '../src/with-client.ts'

const notes = table('notes', { columns: { id: integer() }, key: ['id'], aggregate: 'Note', topic: topic('doctor.notes') })

let database: TestDatabase
let pgbouncer: Pgbouncer

/** The first time, the server is downloaded. */
const DOWNLOAD_MS = 600_000

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'doctor connections')
  pgbouncer = await startPgbouncer(database.url, { poolSize: 1 })
}, DOWNLOAD_MS)
afterAll(async () => {
  await pgbouncer.remove()
  await database.drop()
})

function pooled(name: string, mayBePooled: boolean): Promise<readonly HealthCheck[]> {
  const place = { prefix: name, target: postgresTarget(name, pgbouncer.url), statementTimeoutMs: 5_000, mayBePooled }
  return checkDatabase(place, [['sum', async (client) => (await client.query('SELECT 1'), [])]])
}

test('a pooler in front of a service is told, with what works behind it and what does not', async () => {
  const checks = await pooled('shop', true)
  expect(checks).toMatchObject([
    { name: 'shop.connection', status: 'ok' },
    {
      name: 'shop.pooler',
      status: 'warning',
      code: 'SLU-2005',
      fix: [expect.stringContaining('export SLUICE_SHOP_URL=') as string],
    },
  ])
})

test('a pooler in front of a source or the pipeline is refused', async () => {
  await expect(pooled('monolith', false)).rejects.toMatchObject({ number: 'SLU-2005' })
})

test('the checks leave nothing in the session that the pooler lends to the next', async () => {
  await pooled('shop', true)
  const client = await connect(postgresTarget('shop', pgbouncer.url), { applicationName: 'test', mayBePooled: true })
  try {
    const { rows } = await client.query(
      `SELECT current_setting('search_path') AS path, current_setting('default_transaction_read_only') AS only, current_setting('statement_timeout') AS bound`,
    )
    expect(rows).toEqual([{ path: '"$user", public', only: 'off', bound: '0' }])
  } finally {
    await client.end()
  }
})

test.each<[string, ServiceConnections | undefined, object[]]>([
  [
    'as planned',
    { server: 200, pool: 20 },
    [{ status: 'ok', summary: expect.stringMatching(/^28 planned .* max_connections 200/) as string }],
  ],
  [
    'another number than planned',
    { server: 100, pool: 20 },
    [{ status: 'warning', cause: expect.stringContaining('plans max_connections 100') as string }],
  ],
  [
    'too few for the plan',
    { server: 400, pool: 300 },
    [{ status: 'failed', fix: [expect.stringContaining('max_connections = 400') as string] }],
  ],
  ['nothing planned', undefined, []],
])('a server that lets in %s', async (_case, connections, expected) => {
  const system = defineSystem({
    name: 'doctor_connections',
    avroSchemas: new URL('file:///none/'),
    monolith: { tables: [notes] },
    services: {
      shop: {
        migrations: new URL('file:///none/'),
        projections: [mapTable(notes, { into: 'notes' })],
        ...(connections === undefined ? {} : { connections }),
      },
    },
  })
  const client = await connect(postgresTarget('shop', database.url), { applicationName: 'test' })
  try {
    expect(await checkConnections('service.shop', client, system, 'shop')).toMatchObject(expected)
  } finally {
    await client.end()
  }
})

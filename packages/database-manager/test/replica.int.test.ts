/** Reads go to a read replica while it is near enough to the primary; writes never do. On a real primary and its standby. */
import { type PostgresReplica, type RunningServers, startPostgresReplica, startServers } from '@sluice/infra'
import { createDatabaseMetrics } from '@sluice/telemetry'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServiceDatabase, ServiceDatabases } from '@sluice/database-manager'
import { metric } from './service-fixture.ts'

let servers: RunningServers
let replica: PostgresReplica
let databases: ServiceDatabases<'samples'>
let samples: ServiceDatabase
const metrics = createDatabaseMetrics()

beforeAll(async () => {
  servers = await startServers({ services: true, useContainers: false })
  const primary = new pg.Client(servers.services.url)
  await primary.connect()
  // Least privileges: what the manager asks of both servers needs none.
  await primary.query(`CREATE TABLE samples (id integer PRIMARY KEY); CREATE ROLE application LOGIN PASSWORD 'application';
    GRANT SELECT, INSERT ON samples TO application`)
  await primary.end()
  replica = await startPostgresReplica(servers.services)
  const asApplication = (url: string): string => {
    const own = new URL(url)
    own.username = 'application'
    own.password = 'application'
    return own.toString()
  }
  databases = await ServiceDatabases.open({
    applicationName: 'replica test',
    services: {
      samples: { url: asApplication(servers.services.url), replica: { url: asApplication(replica.url), lagMsMax: 3_000 } },
    },
    metrics,
  })
  samples = databases.get('samples')
})
afterAll(async () => {
  await databases.close()
  await replica.remove()
  await servers.stop()
})

/** Whether reads are done by the replica now. */
async function readsOnReplica(): Promise<boolean> {
  return samples.read(async (t) => {
    const { rows } = await t.query<{ replica: boolean }>('SELECT pg_is_in_recovery() AS replica')
    return rows[0]!.replica
  })
}

async function onReplica(statement: string): Promise<void> {
  const client = new pg.Client(replica.url)
  await client.connect()
  await client.query(statement)
  await client.end()
}

const passedOver = async (reason: string): Promise<number> =>
  (await metric(metrics, `sluice_service_replica_passed_over_total{service="samples",reason="${reason}"}`)) ?? 0

test('reads go to the replica and writes to the primary', async () => {
  await expect.poll(readsOnReplica, { timeout: 20_000 }).toBe(true)
  await samples.query('INSERT INTO samples VALUES (1)')
  expect((await samples.transaction((t) => t.query('SELECT pg_is_in_recovery() AS replica'))).rows).toEqual([{ replica: false }])
  await expect(samples.read((t) => t.query('INSERT INTO samples VALUES (2)'))).rejects.toMatchObject({
    code: 'WRITE_IN_READ',
    why: 'SQLSTATE 25006 of the replica',
  })
  expect((await databases.checks()).map(({ name, status }) => [name, status])).toEqual([
    ['database.samples', 'ok'],
    ['database.samples.replica', 'ok'],
  ])
  expect(await metric(metrics, 'sluice_service_replica_lag_seconds{service="samples"}')).toBeLessThan(3)
})

test('a replica that lags is passed over until it has caught up', async () => {
  await expect.poll(readsOnReplica, { timeout: 20_000 }).toBe(true)
  const before = await passedOver('lags')
  await onReplica('SELECT pg_wal_replay_pause()')
  await samples.query('INSERT INTO samples VALUES (100)')
  await expect.poll(readsOnReplica, { timeout: 20_000 }).toBe(false)
  expect(await passedOver('lags')).toBeGreaterThan(before)
  expect((await databases.checks())[1]).toMatchObject({
    status: 'warning',
    summary: expect.stringMatching(/^\d+ ms behind$/) as string,
  })
  // What the primary has is read, though the replica has not.
  expect(await samples.read(async (t) => (await t.query('SELECT FROM samples WHERE id = 100')).rowCount)).toBe(1)
  expect((await databases.healthCheck()).status).toBe('healthy')
  await onReplica('SELECT pg_wal_replay_resume()')
  await expect.poll(readsOnReplica, { timeout: 20_000 }).toBe(true)
})

test('a replica that is gone is passed over by the very read that meets it, and used again when it is back', async () => {
  await expect.poll(readsOnReplica, { timeout: 20_000 }).toBe(true)
  const before = await passedOver('away')
  await replica.kill9()
  expect(await readsOnReplica()).toBe(false)
  expect(await passedOver('away')).toBeGreaterThan(before)
  await replica.start()
  await expect.poll(readsOnReplica, { timeout: 30_000 }).toBe(true)
})

test('the server of another system, or one that follows nobody, is no replica', async () => {
  const wrong = await ServiceDatabases.open({
    applicationName: 'wrong replica',
    services: {
      standalone: { url: servers.services.url, replica: { url: servers.services.url } },
      foreign: { url: process.env['SLUICE_TEST_SERVICES_URL']!, replica: { url: replica.url } },
    },
  })
  try {
    expect((await wrong.checks()).map(({ name, cause }) => [name, cause])).toEqual([
      ['database.standalone', undefined],
      ['database.standalone.replica', 'it is not in recovery, so it follows no primary'],
      ['database.foreign', undefined],
      ['database.foreign.replica', expect.stringMatching(/^it is of system \d+, the primary of \d+$/)],
    ])
  } finally {
    await wrong.close()
  }
})

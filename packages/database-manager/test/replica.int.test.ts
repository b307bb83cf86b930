/** Reads go to read replicas while these are near enough to the primary; writes never do. On a real primary and its standbys. */
import { type PostgresReplica, type RunningServers, startPostgresReplica, startServers } from '@sluice/infra'
import { createDatabaseMetrics } from '@sluice/telemetry'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServiceDatabase, ServiceDatabases } from '@sluice/database-manager'
import { heldWork, metric } from './service-fixture.ts'

let servers: RunningServers
let replica: PostgresReplica
let second: PostgresReplica
/** All services have the same database. */
let databases: ServiceDatabases<'samples' | 'strict' | 'near' | 'spread'>
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
  second = await startPostgresReplica(servers.services)
  const asApplication = (url: string): string => {
    const own = new URL(url)
    own.username = 'application'
    own.password = 'application'
    return own.toString()
  }
  const url = asApplication(servers.services.url)
  const within = (lagMsMax: number, replicas: readonly PostgresReplica[]) => ({
    url,
    // Nothing is borrowed but by reads, so that they alone say which replica is the least busy.
    pool: { min: 0 },
    replicas: replicas.map((one) => ({ url: asApplication(one.url), lagMsMax })),
  })
  databases = await ServiceDatabases.open({
    applicationName: 'replica test',
    services: {
      // So far behind is no replica here, however busy the machine is.
      samples: within(600_000, [replica]),
      spread: within(600_000, [replica, second]),
      strict: within(3_000, [replica]),
      near: within(3_000, [replica, second]),
    },
    metrics,
  })
  samples = databases.get('samples')
})
afterAll(async () => {
  await databases.close()
  await replica.remove()
  await second.remove()
  await servers.stop()
})

/** Whether reads are done by the replica now. */
const readsOnReplica = (service: 'samples' | 'strict' = 'samples') =>
  databases.get(service).read(async (t) => {
    const { rows } = await t.query<{ replica: boolean }>('SELECT pg_is_in_recovery() AS replica')
    return rows[0]!.replica
  })

/** Ports of the servers that do so many reads, one after the other. */
async function portsOf(service: 'near' | 'spread', reads: number): Promise<readonly string[]> {
  const ports: string[] = []
  for (let i = 0; i < reads; i++) {
    ports.push(
      await databases.get(service).read(async (t) => {
        const { rows } = await t.query<{ port: string }>(`SELECT current_setting('port') AS port`)
        return rows[0]!.port
      }),
    )
  }
  return ports
}

const portOf = ({ url }: { readonly url: string }): string => new URL(url).port

/** Whether reads are done by these, and by no other server. */
async function areRead(service: 'near' | 'spread', by: readonly { readonly url: string }[]): Promise<void> {
  const ports = async (): Promise<readonly string[]> => [...new Set(await portsOf(service, 4))].toSorted()
  await expect.poll(ports, { timeout: 30_000 }).toEqual(by.map(portOf).toSorted())
}

async function onReplica(statement: string, { url }: PostgresReplica = replica): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(statement)
  await client.end()
}

const passedOver = async (reason: string, service = 'samples', server = 'replica_1'): Promise<number> =>
  (await metric(
    metrics,
    `sluice_service_replica_passed_over_total{service="${service}",server="${server}",reason="${reason}"}`,
  )) ?? 0

const checksOf = async (service: string) =>
  (await databases.checks())
    .filter(({ name }) => name.startsWith(`database.${service}`))
    .map(({ name, status }) => [name, status])

test('reads go to the replica and writes to the primary', async () => {
  await expect.poll(() => readsOnReplica(), { timeout: 20_000 }).toBe(true)
  await samples.query('INSERT INTO samples VALUES (1)')
  expect((await samples.transaction((t) => t.query('SELECT pg_is_in_recovery() AS replica'))).rows).toEqual([{ replica: false }])
  await expect(samples.read((t) => t.query('INSERT INTO samples VALUES (2)'))).rejects.toMatchObject({
    code: 'WRITE_IN_READ',
    why: 'SQLSTATE 25006 of replica_1',
  })
  expect(await checksOf('samples')).toEqual([
    ['database.samples', 'ok'],
    ['database.samples.replica_1', 'ok'],
  ])
  const lag = () => metric(metrics, 'sluice_service_replica_lag_seconds{service="samples",server="replica_1"}')
  await expect.poll(lag, { timeout: 20_000 }).toBeLessThan(3)
})

test('a replica that lags is passed over until it has caught up', async () => {
  const strict = databases.get('strict')
  const onIt = () => readsOnReplica('strict')
  await expect.poll(onIt, { timeout: 20_000 }).toBe(true)
  const before = await passedOver('lags', 'strict')
  await onReplica('SELECT pg_wal_replay_pause()')
  await strict.query('INSERT INTO samples VALUES (100)')
  await expect.poll(onIt, { timeout: 20_000 }).toBe(false)
  expect(await passedOver('lags', 'strict')).toBeGreaterThan(before)
  expect((await strict.checks())[1]).toMatchObject({
    status: 'warning',
    summary: expect.stringMatching(/^\d+ ms behind$/) as string,
  })
  // What the primary has is read, though the replica has not.
  expect(await strict.read(async (t) => (await t.query('SELECT FROM samples WHERE id = 100')).rowCount)).toBe(1)
  expect((await databases.healthCheck()).status).toBe('healthy')
  await onReplica('SELECT pg_wal_replay_resume()')
  await expect.poll(onIt, { timeout: 20_000 }).toBe(true)
})

test('a replica that is gone is passed over by the very read that meets it, and used again when it is back', async () => {
  await expect.poll(() => readsOnReplica(), { timeout: 20_000 }).toBe(true)
  const before = await passedOver('away')
  await replica.kill9()
  expect(await readsOnReplica()).toBe(false)
  expect(await passedOver('away')).toBeGreaterThan(before)
  await replica.start()
  await expect.poll(() => readsOnReplica(), { timeout: 30_000 }).toBe(true)
})

test('reads take turns on two replicas, and one that is busy gets fewer', async () => {
  await areRead('spread', [replica, second])
  const ports = await portsOf('spread', 10)
  expect(ports.filter((port) => port === portOf(replica))).toHaveLength(5)
  expect(ports.filter((port) => port === portOf(second))).toHaveLength(5)
  // One is held: the others go to the replica that has nothing to do.
  const held = heldWork()
  const busy = Promise.withResolvers<string>()
  const holding = databases.get('spread').read(async (t) => {
    busy.resolve((await t.query<{ port: string }>(`SELECT current_setting('port') AS port`)).rows[0]!.port)
    await held.work()
  })
  const busyPort = await busy.promise
  const free = [replica, second].map(portOf).filter((port) => port !== busyPort)
  expect([...new Set(await portsOf('spread', 6))]).toEqual(free)
  held.release()
  await holding
})

test('of two replicas the one that lags is left out alone, and taken in again', async () => {
  await areRead('near', [replica, second])
  const before = await passedOver('lags', 'near', 'replica_2')
  await onReplica('SELECT pg_wal_replay_pause()', second)
  await samples.query('INSERT INTO samples VALUES (200)')
  await areRead('near', [replica])
  expect(await passedOver('lags', 'near', 'replica_2')).toBeGreaterThan(before)
  const lagOf = (server: string) => metric(metrics, `sluice_service_replica_lag_seconds{service="near",server="${server}"}`)
  await expect.poll(() => lagOf('replica_2'), { timeout: 20_000 }).toBeGreaterThan(3)
  // The bound is each replica's own: where more is allowed, the one that lags still reads, and shows what is old.
  await areRead('spread', [replica, second])
  await onReplica('SELECT pg_wal_replay_resume()', second)
  await areRead('near', [replica, second])
})

test('of two replicas one may fail, then the other: no read fails, the primary is the last, and both are taken in again', async () => {
  await areRead('spread', [replica, second])
  const before = await passedOver('away', 'spread', 'replica_2')
  await second.kill9()
  expect(new Set(await portsOf('spread', 6))).toEqual(new Set([portOf(replica)]))
  expect(await passedOver('away', 'spread', 'replica_2')).toBeGreaterThan(before)
  expect(await checksOf('spread')).toEqual([
    ['database.spread', 'ok'],
    ['database.spread.replica_1', 'ok'],
    ['database.spread.replica_2', 'warning'],
  ])
  await replica.kill9()
  expect(new Set(await portsOf('spread', 6))).toEqual(new Set([portOf(servers.services)]))
  expect((await databases.healthCheck()).status).toBe('healthy')
  await second.start()
  await areRead('spread', [second])
  await replica.start()
  await areRead('spread', [replica, second])
})

test('the server of another system, or one that follows nobody, is no replica', async () => {
  const wrong = await ServiceDatabases.open({
    applicationName: 'wrong replica',
    services: {
      standalone: { url: servers.services.url, replicas: [{ url: servers.services.url }] },
      foreign: { url: process.env['SLUICE_TEST_SERVICES_URL']!, replicas: [{ url: replica.url }] },
    },
  })
  try {
    expect((await wrong.checks()).map(({ name, cause }) => [name, cause])).toEqual([
      ['database.standalone', undefined],
      ['database.standalone.replica_1', 'it is not in recovery, so it follows no primary'],
      ['database.foreign', undefined],
      ['database.foreign.replica_1', expect.stringMatching(/^it is of system \d+, the primary of \d+$/)],
    ])
  } finally {
    await wrong.close()
  }
})

/** Each alert rule is silent while all is well, and fires once its condition was made true, on real servers and their real metrics. */
import { readFileSync } from 'node:fs'
import { ServiceDatabases, type ServiceSettings } from '@sluice/database-manager'
import {
  type PostgresReplica,
  type RunningServers,
  type TestDatabase,
  createTestDatabase,
  startPostgresReplica,
  startServers,
} from '@sluice/infra'
import { createDatabaseMetrics, createMetrics, startHealthServer } from '@sluice/telemetry'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Scrape, firing, parseScrape } from './alert-expression.ts'

const rules = z
  .object({
    groups: z.tuple([
      z.object({
        rules: z.array(
          z.strictObject({
            alert: z.string(),
            expr: z.string(),
            for: z
              .string()
              .regex(/^\d+m$/)
              .optional(),
            labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
            annotations: z.strictObject({ summary: z.string(), runbook_url: z.string().startsWith('docs/operations.md#') }),
          }),
        ),
      }),
    ]),
  })
  .parse(parse(readFileSync(new URL('../../infra/prometheus/service-databases.rules.yml', import.meta.url), 'utf8')))
  .groups[0].rules

let servers: RunningServers
let replica: PostgresReplica
let database: TestDatabase
const proven = new Set<string>()

beforeAll(async () => {
  servers = await startServers({ services: true, useContainers: false })
  database = await createTestDatabase(servers.services.url, 'alerts')
  replica = await startPostgresReplica(servers.services)
})
afterAll(async () => {
  await database.drop()
  await replica.remove()
  await servers.stop()
})

/** An application with one service, as Prometheus meets it. */
async function openApplication(settings: Partial<ServiceSettings> = {}) {
  const metrics = createDatabaseMetrics()
  const databases = await ServiceDatabases.open({
    applicationName: 'alerts test',
    services: { samples: { url: database.url, ...settings } },
    metrics,
  })
  const server = await startHealthServer({
    port: 0,
    role: 'samples',
    readiness: () => ({ mode: 'active' }),
    checks: () => databases.checks(),
    metrics,
  })
  return {
    samples: databases.get('samples'),
    scrape: async () => parseScrape(await (await fetch(`http://${server.host}:${server.port}/metrics`)).text()),
    async [Symbol.asyncDispose]() {
      await server.close()
      await databases.close(0)
    },
  }
}

/** Names of the alerts that fire. */
function fires(before: Scrape, now: Scrape): readonly string[] {
  const names = rules.filter((rule) => firing(rule.expr, before, now).length > 0).map((rule) => rule.alert)
  for (const name of names) proven.add(name)
  return names
}

test('while all is well nothing fires', async () => {
  await using application = await openApplication({ diskBytes: 10_000_000_000 })
  const before = await application.scrape()
  await application.samples.query('SELECT 1')
  expect(fires(before, await application.scrape())).toEqual([])
})

test('connections that are all borrowed, and work that gets none', async () => {
  await using application = await openApplication({ pool: { min: 0, max: 1, timeoutMs: 200 } })
  const before = await application.scrape()
  const begun = Promise.withResolvers<undefined>()
  const released = Promise.withResolvers<undefined>()
  const holding = application.samples.transaction(async () => {
    begun.resolve(undefined)
    await released.promise
  })
  await begun.promise
  expect(fires(before, await application.scrape())).toEqual(['SluiceServicePoolNearlyExhausted'])
  await expect(application.samples.query('SELECT 1')).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' })
  expect(fires(before, await application.scrape())).toEqual(['SluiceServicePoolNearlyExhausted', 'SluiceServicePoolExhausted'])
  released.resolve(undefined)
  await holding
})

test('statements that take too long', async () => {
  await using application = await openApplication({ statementTimeoutMs: 100 })
  const before = await application.scrape()
  await expect(application.samples.query('SELECT pg_sleep(9)')).rejects.toMatchObject({ code: 'QUERY_TIMED_OUT' })
  const after = await application.scrape()
  expect(fires(before, after)).toEqual(['SluiceServiceQueryTimeouts'])
  expect(fires(after, await application.scrape())).toEqual([])
})

test('a database that does not answer', async () => {
  await using application = await openApplication({ url: 'postgresql://nobody:secret@127.0.0.1:1/gone' })
  const scrape = await application.scrape()
  expect(fires(scrape, scrape)).toEqual(['SluiceServiceDatabaseAway'])
})

test('a database that has most of its disk', async () => {
  await using application = await openApplication({ diskBytes: 8_000_000 })
  const scrape = await application.scrape()
  expect(fires(scrape, scrape)).toEqual(['SluiceServiceDiskFills'])
})

test('a replica that is behind, and one that is away', async () => {
  await using application = await openApplication({ replica: { url: replicaUrl(), lagMsMax: 2_000 } })
  const alerts = async (): Promise<readonly string[]> => {
    const scrape = await application.scrape()
    return fires(scrape, scrape)
  }
  await expect.poll(alerts, { timeout: 20_000 }).toEqual([])
  await onReplica('SELECT pg_wal_replay_pause()')
  // Writing anything moves the primary away from it.
  await application.samples.query('CREATE TABLE written (id integer)')
  await expect.poll(alerts, { timeout: 40_000 }).toEqual(['SluiceServiceReplicaLags', 'SluiceServiceReplicaAway'])
  await onReplica('SELECT pg_wal_replay_resume()')
  await expect.poll(alerts, { timeout: 20_000 }).toEqual([])
  await replica.stop()
  await expect.poll(alerts, { timeout: 20_000 }).toEqual(['SluiceServiceReplicaAway'])
  await replica.start()
})

test('a service that is behind its lane', async () => {
  // How the value is measured is the subject of other tests; here it is set.
  const metrics = createMetrics({ role: 'test', version: '0', revision: '0' })
  const at = { projector: 'samples', lane: 'monolith' }
  const scrape = async (): Promise<Scrape> => parseScrape(await metrics.render())
  metrics.projectorLagSeconds.set(at, 60)
  expect(fires(await scrape(), await scrape())).toEqual([])
  metrics.projectorLagSeconds.set(at, 61)
  expect(fires(await scrape(), await scrape())).toEqual(['SluiceProjectorLags'])
})

test('every rule was seen to fire', () => {
  expect([...proven].toSorted()).toEqual(rules.map((rule) => rule.alert).toSorted())
})

function replicaUrl(): string {
  const url = new URL(replica.url)
  url.pathname = new URL(database.url).pathname
  return url.toString()
}

async function onReplica(statement: string): Promise<void> {
  const client = new pg.Client(replica.url)
  await client.connect()
  await client.query(statement)
  await client.end()
}

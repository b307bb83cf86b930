/** Each alert rule is silent while all is well, and fires once its condition was made true, on real servers and their real metrics. */
import { readFileSync } from 'node:fs'
import { silentLogger } from '@sluice/core'
import { ServiceDatabases, type ServiceSettings } from '@sluice/database-manager'
import {
  type PostgresReplica,
  type RunningServers,
  type TestDatabase,
  createTestDatabase,
  startPostgresReplica,
  startServers,
} from '@sluice/infra'
import { controlTopicName, lanesOf } from '@sluice/system'
import { createDatabaseMetrics, createMetrics, startHealthServer } from '@sluice/telemetry'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { sampleProjectorLag } from '../../packages/cli/src/samples/projector-lag-sample.ts'
import { type StageSampler, createStageSampler } from '../../packages/cli/src/stage-sampler.ts'
import { Shop } from '../../packages/projector/test/projector-fixture.ts'
import { order } from '../../packages/projector/test/shop-rows.ts'
import { SERVICE, orders, shop as shopSystem } from '../../packages/projector/test/shop-system.ts'
import { created } from '../../packages/projector/test/test-lane.ts'
import { type Scrape, firing, parseScrape } from './alert-expression.ts'

const rulesSchema = z.object({
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
const rules = ['service-databases', 'service-objectives'].flatMap((name) => {
  const file = new URL(`../../infra/prometheus/${name}.rules.yml`, import.meta.url)
  return rulesSchema.parse(parse(readFileSync(file, 'utf8'))).groups[0].rules
})

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

test('connections that are nearly all borrowed, all of them, and work that gets none', async () => {
  await using application = await openApplication({ pool: { min: 0, max: 6, timeoutMs: 2_000 } })
  const before = await application.scrape()
  const released = Promise.withResolvers<undefined>()
  const held: Promise<void>[] = []
  const hold = async (): Promise<void> => {
    const begun = Promise.withResolvers<undefined>()
    held.push(
      application.samples.transaction(async () => {
        begun.resolve(undefined)
        await released.promise
      }),
    )
    await begun.promise
  }
  for (let borrowed = 1; borrowed <= 4; borrowed++) await hold()
  expect(fires(before, await application.scrape())).toEqual([])
  await hold()
  expect(fires(before, await application.scrape())).toEqual(['SluiceServicePoolBusy'])
  await hold()
  expect(fires(before, await application.scrape())).toEqual(['SluiceServicePoolNearlyExhausted', 'SluiceServicePoolBusy'])
  await expect(application.samples.query('SELECT 1')).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' })
  expect(fires(before, await application.scrape())).toEqual([
    'SluiceServicePoolNearlyExhausted',
    'SluiceServicePoolExhausted',
    'SluiceServicePoolBusy',
  ])
  released.resolve(undefined)
  await Promise.all(held)
})

/** A scrape after which an increase of every counter of statements shows. */
async function scrapeWithStatements({ samples, scrape }: Awaited<ReturnType<typeof openApplication>>): Promise<Scrape> {
  await samples.query('SELECT 1')
  return scrape()
}

test('statements that are slow', async () => {
  await using application = await openApplication()
  const before = await scrapeWithStatements(application)
  await application.samples.query('SELECT pg_sleep(0.15)')
  const after = await application.scrape()
  expect(fires(before, after)).toEqual(['SluiceServiceResponseSlow', 'SluiceServiceResponseTooSlow'])
  expect(fires(after, await application.scrape())).toEqual([])
})

test('statements that take too long', async () => {
  await using application = await openApplication({ statementTimeoutMs: 200 })
  const before = await scrapeWithStatements(application)
  await expect(application.samples.query('SELECT pg_sleep(9)')).rejects.toMatchObject({ code: 'QUERY_TIMED_OUT' })
  const after = await application.scrape()
  expect(fires(before, after)).toEqual([
    'SluiceServiceQueryTimeouts',
    'SluiceServiceResponseSlow',
    'SluiceServiceResponseTooSlow',
    'SluiceServiceStatementsFail',
  ])
  expect(fires(after, await application.scrape())).toEqual([])
})

test('statements that PostgreSQL refuses', async () => {
  await using application = await openApplication()
  const before = await scrapeWithStatements(application)
  await expect(application.samples.query('SELECT 1 / 0')).rejects.toThrow('division by zero')
  const alerts = fires(before, await application.scrape())
  expect(alerts).toContain('SluiceServiceStatementsFail')
  expect(alerts).not.toContain('SluiceServiceQueryTimeouts')
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
  await using application = await openApplication({ replicas: [{ url: replicaUrl(), lagMsMax: 2_000 }] })
  const alerts = async (): Promise<readonly string[]> => {
    const scrape = await application.scrape()
    return fires(scrape, scrape)
  }
  await expect.poll(alerts, { timeout: 20_000 }).toEqual([])
  await onReplica('SELECT pg_wal_replay_pause()')
  // Writing anything moves the primary away from it.
  await application.samples.query('CREATE TABLE written (id integer)')
  await expect.poll(alerts, { timeout: 20_000 }).toContain('SluiceServiceReplicaBehind')
  await expect
    .poll(alerts, { timeout: 40_000 })
    .toEqual([
      'SluiceServiceReplicaLags',
      'SluiceServiceReplicaAway',
      'SluiceServiceReplicaBehind',
      'SluiceServiceReplicaFarBehind',
    ])
  await onReplica('SELECT pg_wal_replay_resume()')
  await expect.poll(alerts, { timeout: 20_000 }).toEqual([])
  await replica.stop()
  await expect.poll(alerts, { timeout: 20_000 }).toEqual(['SluiceServiceReplicaAway'])
  await replica.start()
})

test('a service whose projector is held, while its lane goes on', async () => {
  await using shop = await Shop.open()
  const metrics = createMetrics({ role: 'test', version: '0', revision: '0' })
  const lane = lanesOf(shopSystem)[0]!.name
  const sampler = createStageSampler(
    [
      sampleProjectorLag(metrics, {
        service: SERVICE,
        target: shop.target,
        kafka: shop.kafka,
        lane,
        controlTopic: controlTopicName(shopSystem.name, lane),
      }),
    ],
    silentLogger,
  )
  const alerts = async (): Promise<readonly string[]> => {
    await lookOnce(sampler)
    expect(sampler.checks()).not.toContainEqual(expect.objectContaining({ status: 'failed' }))
    const scrape = parseScrape(await metrics.render())
    return fires(scrape, scrape)
  }
  shop.kafka.publishedAtMs = Date.now() - 61_000
  shop.lane.commit(created(orders, order('1', null)))
  const projector = shop.start()
  await shop.appliedBy(projector)
  expect(await alerts()).toEqual([])

  await shop.client.query(
    "INSERT INTO projector_barriers (lane, requested_by, expires_at) VALUES (1, 'test', clock_timestamp() + interval '5 min')",
  )
  await projector.until((p) => p.kind === 'standing')
  shop.lane.commit(created(orders, order('2', null)))
  expect(await alerts()).toEqual(['SluiceProjectorLags'])

  await shop.client.query('DELETE FROM projector_barriers')
  await shop.appliedBy(projector)
  expect(await alerts()).toEqual([])
})

/** As a process does it every few seconds. */
async function lookOnce(sampler: StageSampler): Promise<void> {
  const stop = new AbortController()
  const looking = sampler.run(stop.signal)
  stop.abort()
  await looking
}

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

/** The checklists before production, on real servers: what is wrong is found, and what was put right is ok. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SchedulePlan } from '@sluice/backup'
import { type HealthCheck, silentLogger } from '@sluice/core'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { postgresTarget, withConnection } from '@sluice/postgres'
import { defineSystem, integer, mapTable, table, topic } from '@sluice/system'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ProductionOptions, runProductionChecks } from '../src/index.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const run = Date.now().toString(36)
const nowhere = new URL('./', import.meta.url)
const goods = table('goods', {
  columns: { id: integer() },
  key: ['id'],
  aggregate: 'Good',
  topic: topic(`production.${run}.goods`),
})
const system = defineSystem({
  name: `production_${run}`,
  avroSchemas: nowhere,
  monolith: { tables: [goods] },
  services: { shop: { migrations: nowhere, projections: [mapTable(goods, { into: 'goods' })] } },
})
const ROLE = `production_worker_${run}`

let databases: readonly TestDatabase[]
let folder: string

const kafka = createKafka({
  brokers: [process.env['SLUICE_TEST_KAFKA_BROKERS']!],
  clientId: 'production-test',
  logger: silentLogger,
})

function planOf(schedule: Partial<SchedulePlan['schedules'][number]> = {}): SchedulePlan {
  const nightly = { name: 'nightly', cron: '0 2 * * *', keep: { daily: 7 }, encrypted: true, overdueAfterMinutes: 120 }
  return { format: 1, folder, timeZone: 'UTC', schedules: [{ ...nightly, ...schedule }] }
}

/** A backup as a run of the plan leaves it. */
async function leaveBackup(database: string, startedAt: string, damage: string | null = null): Promise<void> {
  const stamp = `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const place = join(folder, 'nightly', stamp, database)
  await mkdir(place, { recursive: true })
  const manifest = {
    format: 1,
    system: system.name,
    database,
    source: 'host:5432/x',
    server: '16.14',
    pgDump: '16.14',
    startedAt,
    finishedAt: startedAt,
    file: { bytes: '1', sha256: '0'.repeat(64) },
    compression: null,
    encryption: null,
    tables: [],
    extensions: [],
    roles: [],
    positions: [],
  }
  await writeFile(join(place, 'manifest.json'), JSON.stringify(manifest))
  await writeFile(
    join(place, 'verification.json'),
    JSON.stringify({ format: 1, verifiedAt: startedAt, pgRestore: '16.14', damage }),
  )
}

async function checksOf(changes: Partial<ProductionOptions> = {}): Promise<readonly HealthCheck[]> {
  const [monolith, pipeline, shop] = databases.map((database) => database.url)
  return runProductionChecks({
    system,
    targets: {
      monolith: postgresTarget('monolith', monolith!),
      pipeline: postgresTarget('pipeline', pipeline!),
      services: { shop: postgresTarget('shop', shop!) },
    },
    kafka,
    transports: {
      kafka: { brokers: ['127.0.0.1:9092'], isEncrypted: false, isAuthenticated: false },
      registry: { url: 'http://127.0.0.1:8081' },
    },
    backupPlan: planOf(),
    now: NOW,
    ...changes,
  })
}

function only(checks: readonly HealthCheck[], name: string): HealthCheck {
  const found = checks.filter((check) => check.name === name)
  if (found.length !== 1) throw new Error(`${found.length} checks are called ${name}`)
  return found[0]!
}

async function inShop(statement: string): Promise<void> {
  await withConnection(postgresTarget('shop', databases[2]!.url), { applicationName: 'production test' }, (client) =>
    client.query(statement),
  )
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-production-'))
  const made: TestDatabase[] = []
  for (const name of ['MONOLITH', 'PIPELINE', 'SERVICES'])
    made.push(await createTestDatabase(process.env[`SLUICE_TEST_${name}_URL`]!, `production ${name.toLowerCase()}`))
  databases = made
  await inShop(`CREATE TABLE goods (id int PRIMARY KEY);
    CREATE TABLE parts (id int PRIMARY KEY, good_id int NOT NULL REFERENCES goods, maker_id int NOT NULL);
    CREATE TABLE makers (id int PRIMARY KEY);
    ALTER TABLE parts ADD CONSTRAINT of_maker FOREIGN KEY (maker_id) REFERENCES makers NOT VALID;
    CREATE INDEX ON parts (maker_id);
    CREATE ROLE ${ROLE} LOGIN PASSWORD 'gk3Jm2xxPq0fZs81' CREATEDB`)
})

afterAll(async () => {
  await inShop(`DROP ROLE IF EXISTS ${ROLE}`)
  for (const database of databases) await database.drop()
  await rm(folder, { recursive: true })
})

describe('roles', () => {
  test('a superuser fails, with where to read what it needs; the owner of tables is warned of', async () => {
    const checks = await checksOf()
    expect(only(checks, 'service.shop.role')).toMatchObject({
      status: 'failed',
      fix: [expect.stringContaining('log in as another role than "postgres"') as string],
    })
    expect(only(checks, 'service.shop.owner')).toMatchObject({
      status: 'warning',
      summary: expect.stringContaining('owns 3 tables') as string,
    })
  })

  test('a role with less is ok in what it has not, and told what it has too much', async () => {
    const url = new URL(databases[2]!.url)
    url.username = ROLE
    url.password = 'gk3Jm2xxPq0fZs81'
    const shop = postgresTarget('shop', url.toString())
    const { targets } = { targets: { monolith: shop, pipeline: shop, services: { shop } } }
    const checks = await checksOf({ targets })
    expect(only(checks, 'service.shop.role')).toMatchObject({ status: 'warning', fix: [`ALTER ROLE "${ROLE}" NOCREATEDB;`] })
    expect(only(checks, 'service.shop.owner').status).toBe('ok')
    expect(only(checks, 'service.shop.password').status).toBe('ok')
  })
})

test('constraints that were not checked, and references without an index, are named with what mends them', async () => {
  const before = await checksOf()
  expect(only(before, 'service.shop.constraints')).toMatchObject({
    status: 'failed',
    fix: ['ALTER TABLE public.parts VALIDATE CONSTRAINT "of_maker";'],
  })
  expect(only(before, 'service.shop.reference_indexes')).toMatchObject({
    status: 'warning',
    fix: ['CREATE INDEX CONCURRENTLY ON public.parts ("good_id");'],
  })
  await inShop('ALTER TABLE public.parts VALIDATE CONSTRAINT "of_maker"')
  await inShop('CREATE INDEX CONCURRENTLY ON public.parts ("good_id")')
  const after = await checksOf()
  for (const name of ['indexes', 'constraints', 'reference_indexes'])
    expect(only(after, `service.shop.${name}`).status).toBe('ok')
})

test('servers keep what is committed, and have room', async () => {
  const checks = await checksOf()
  for (const prefix of ['monolith', 'pipeline', 'service.shop']) {
    expect(only(checks, `${prefix}.crash_safety`).status).toBe('ok')
    expect(only(checks, `${prefix}.connections`).status).toBe('ok')
  }
})

test('a topic with one replica fails; one that is not made yet is left out', async () => {
  const name = `production.${run}.goods`
  expect(only(await checksOf(), `kafka.safety.${name}`).status).toBe('skipped')
  const admin = await kafka.admin()
  await admin.createTopics([{ name, partitions: 2, replicationFactor: 1, config: { 'retention.ms': '3600000' } }])
  await admin.close()
  expect(only(await checksOf(), `kafka.safety.${name}`)).toMatchObject({
    status: 'failed',
    summary: expect.stringMatching(/1 of 3 replicas; min\.insync\.replicas is 1.*; events are kept for 1 hours/) as string,
  })
})

describe('backups', () => {
  test('without a plan, and for a database that no schedule has, it fails', async () => {
    expect(only(await checksOf({ backupPlan: null }), 'backups.plan')).toMatchObject({
      status: 'failed',
      fix: [expect.stringContaining('SLUICE_BACKUP_PLAN') as string, expect.any(String) as string],
    })
    expect(only(await checksOf({ backupPlan: planOf({ databases: ['monolith'] }) }), 'backups.shop').status).toBe('failed')
  })

  test('young ones are ok; none, an old one and a damaged one fail', async () => {
    await leaveBackup('monolith', '2026-11-21T02:00:04.000Z')
    await leaveBackup('shop', '2026-11-19T02:00:04.000Z')
    const checks = await checksOf()
    expect(only(checks, 'backups.monolith.nightly')).toMatchObject({
      status: 'ok',
      summary: expect.stringContaining('9 hours old') as string,
    })
    expect(only(checks, 'backups.shop.nightly')).toMatchObject({ status: 'failed', code: 'SLU-7112' })
    expect(only(checks, 'backups.pipeline.nightly')).toMatchObject({
      status: 'failed',
      summary: 'there is no backup that was verified',
    })
    await leaveBackup('shop', '2026-11-21T02:00:04.000Z', 'its sum is another')
    expect(only(await checksOf(), 'backups.shop.nightly')).toMatchObject({ status: 'failed', code: 'SLU-7106' })
  })
})

test('what no program can answer is listed for people, and never ok', async () => {
  const people = (await checksOf()).filter(({ name }) => name.startsWith('people.'))
  expect(people.length).toBeGreaterThan(5)
  expect(people.every(({ status, summary }) => status === 'skipped' && summary.startsWith('for people: '))).toBe(true)
})

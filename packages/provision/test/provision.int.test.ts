import { randomBytes } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createSchemaRegistry } from '@sluice/avro'
import { silentLogger } from '@sluice/core'
import { type TestDatabase, createTestDatabase, databaseUrl, dropMarkedDatabase, markDatabase } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { connect, postgresTarget } from '@sluice/postgres'
import {
  type CapturedTable,
  type SystemDefinition,
  defineSystem,
  integer,
  mapTable,
  table,
  text,
  topic,
  uuid,
} from '@sluice/system'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ProvisionOptions, type ProvisionParts, type ProvisionTargets, provision, topicSettings } from '../src/index.ts'

const servers = {
  monolith: process.env['SLUICE_TEST_MONOLITH_URL']!,
  pipeline: process.env['SLUICE_TEST_PIPELINE_URL']!,
  services: process.env['SLUICE_TEST_SERVICES_URL']!,
}
const kafka = createKafka({
  brokers: [process.env['SLUICE_TEST_KAFKA_BROKERS']!],
  clientId: 'provision-test',
  logger: silentLogger,
})
const registry = () => createSchemaRegistry({ url: process.env['SLUICE_TEST_REGISTRY_URL']! })

/** Topics and subjects are of the cluster: each run has names of its own. */
const run = randomBytes(4).toString('hex')
const databases: TestDatabase[] = []
let targets: ProvisionTargets
let migrations: URL

function shop(items: CapturedTable): SystemDefinition {
  return defineSystem({
    name: `prov_${run}`,
    avroSchemas: migrations,
    monolith: { tables: [items], outbox: { topic: topic(`prov.${run}.events`, { partitions: 2 }) } },
    services: { stock: { migrations, projections: [mapTable(items, { into: 'items' })] } },
  })
}

const items = (title = text()): CapturedTable =>
  table('items', {
    columns: { id: uuid(), title },
    key: ['id'],
    aggregate: 'Item',
    topic: topic(`prov.${run}.items`, { partitions: 4 }),
  })

async function query<Row extends object>(name: 'monolith' | 'pipeline' | 'stock', statement: string): Promise<readonly Row[]> {
  const target = name === 'stock' ? targets.services['stock']! : targets[name]
  const client = await connect(target, { applicationName: 'provision test' })
  try {
    return (await client.query<Row>(statement)).rows
  } finally {
    await client.end()
  }
}

function options(system: SystemDefinition, more: Partial<ProvisionOptions> = {}): ProvisionOptions {
  return { system, targets, kafka, registry: registry(), isDryRun: false, ...more }
}

async function topicNames(): Promise<readonly string[]> {
  const admin = await kafka.admin()
  try {
    return (await admin.listTopics()).filter((name) => name.includes(run))
  } finally {
    await admin.close()
  }
}

beforeAll(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-provision-'))
  migrations = pathToFileURL(`${folder}/`)
  const create =
    '-- Up Migration\nCREATE TABLE items (id uuid PRIMARY KEY, title text NOT NULL);\n-- Down Migration\nDROP TABLE items;\n'
  await writeFile(path.join(folder, '0001_items.sql'), create)
  for (const [name, url] of Object.entries(servers)) databases.push(await createTestDatabase(url, `provision ${name}`))
  const [monolith, pipeline, stock] = databases.map((d) => d.url)
  targets = {
    monolith: postgresTarget('monolith', monolith!),
    pipeline: postgresTarget('pipeline', pipeline!),
    services: { stock: postgresTarget('stock', stock!) },
  }
})

afterAll(async () => {
  for (const database of databases) await database.drop()
})

describe('provision', () => {
  test('a dry run tells what would be made and makes nothing', async () => {
    const steps = await provision(options(shop(items()), { isDryRun: true }))
    expect(new Set(steps.map((s) => s.outcome))).toEqual(new Set(['planned']))
    expect(await topicNames()).toEqual([])
    expect(await query('pipeline', `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([])
    expect(await query('stock', `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([])
  })

  test('makes tables, topics and schemas; a second run finds everything there', async () => {
    const told: string[] = []
    const parts: ProvisionParts[] = []
    const steps = await provision(options(shop(items()), { onStep: (step, of) => (told.push(step.what), parts.push(of)) }))
    expect(new Set(steps.map((s) => s.outcome))).toEqual(new Set(['done']))
    expect(told).toEqual(steps.map((s) => s.what))
    // Pipeline, monolith, a service, erasures, topics, schemas.
    expect(parts.map(({ done }) => done)).toEqual(parts.map(({ done }) => done).toSorted((a, b) => a - b))
    expect(parts.at(-1)).toEqual({ done: 5, of: 6 })
    expect(await query('pipeline', 'SELECT aggregate_type, topic FROM aggregate_topics')).toEqual([
      { aggregate_type: 'Item', topic: `prov.${run}.items` },
    ])
    expect(await query('stock', 'SELECT count(*)::int AS n FROM items, processed_events')).toEqual([{ n: 0 }])
    expect(await query('monolith', 'SELECT count(*)::int AS n FROM outbox')).toEqual([{ n: 0 }])
    const again = await provision(options(shop(items())))
    expect(new Set(again.map((s) => s.outcome))).toEqual(new Set(['present']))
  })

  test('topics have the partitions and settings of the definition', async () => {
    const admin = await kafka.admin()
    try {
      expect(await admin.partitionCount(`prov.${run}.items`)).toBe(4)
      expect(await admin.topicConfig(`prov.${run}.items`)).toMatchObject({
        'cleanup.policy': 'delete',
        'retention.ms': String(7 * 24 * 60 * 60 * 1000),
        'min.insync.replicas': '1',
        'message.timestamp.type': 'LogAppendTime',
      })
      expect(await admin.partitionCount(`sluice.prov_${run}.monolith.control`)).toBe(1)
      expect(await admin.topicConfig(`sluice.prov_${run}.monolith.control`)).toMatchObject({
        'cleanup.policy': 'compact',
        'min.compaction.lag.ms': String(7 * 24 * 60 * 60 * 1000),
      })
    } finally {
      await admin.close()
    }
  })

  test('an incompatible schema is refused before any is registered', async () => {
    const changed = shop(items(integer()))
    await expect(provision(options(changed))).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', exitCode: 3 })
    await expect(provision(options(changed, { isDryRun: true }))).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE' })
  })

  test('one service only touches its own database', async () => {
    const steps = await provision(options(shop(items()), { only: 'stock' }))
    expect(new Set(steps.map((s) => s.place))).toEqual(new Set(['service.stock']))
  })

  test('creates databases that do not exist, if it is told to', async () => {
    const name = `sluice_provision_new_${run}`
    const stock = postgresTarget('stock', databaseUrl(servers.services, name))
    const own = { targets: { ...targets, services: { stock } }, only: 'stock' }
    try {
      await expect(provision(options(shop(items()), own))).rejects.toMatchObject({ code: 'POSTGRES_AUTH_FAILED' })
      const planned = await provision(options(shop(items()), { ...own, isDryRun: true, createDatabases: true }))
      expect(planned[0]).toMatchObject({ what: `database ${name}`, outcome: 'planned' })
      const made = await provision(options(shop(items()), { ...own, createDatabases: true }))
      expect(made[0]).toMatchObject({ what: `database ${name}`, outcome: 'done' })
    } finally {
      const client = await connect(postgresTarget('services', servers.services), { applicationName: 'provision test' })
      await markDatabase(client, name, 'provision test')
      await client.end()
      await dropMarkedDatabase(servers.services, name)
    }
  })

  test('a migration that fails leaves nothing of itself', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'sluice-provision-'))
    await writeFile(path.join(folder, '0001_a.sql'), '-- Up Migration\nCREATE TABLE half (id int);\n')
    await writeFile(path.join(folder, '0002_b.sql'), '-- Up Migration\nCREATE TABLE broken (id nothing);\n')
    const database = await createTestDatabase(servers.services, 'provision broken')
    databases.push(database)
    const definition = shop(items())
    const broken = {
      ...definition,
      services: { stock: { ...definition.services['stock']!, migrations: pathToFileURL(`${folder}/`) } },
    }
    const stock = postgresTarget('stock', database.url)
    const attempt = provision(options(broken, { targets: { ...targets, services: { stock } }, only: 'stock' }))
    await expect(attempt).rejects.toMatchObject({ code: 'MIGRATION_FAILED', what: expect.stringContaining('0002_b') as string })
    const client = await connect(stock, { applicationName: 'provision test' })
    try {
      const { rows } = await client.query(`SELECT to_regclass('half')::text AS half`)
      expect(rows).toEqual([{ half: null }])
    } finally {
      await client.end()
    }
  })
})

test('replicas follow the brokers, and a write needs all but one', () => {
  const wanted = { name: 't', partitions: 3, config: {} }
  const of = (brokers: number) => {
    const { replicationFactor, config } = topicSettings(wanted, brokers)
    return [replicationFactor, config['min.insync.replicas']]
  }
  expect([of(1), of(2), of(3), of(12)]).toEqual([
    [1, '1'],
    [2, '1'],
    [3, '2'],
    [3, '2'],
  ])
})

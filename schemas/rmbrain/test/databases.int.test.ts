/** The nine databases with their tables, as the document lists them. */
import { createSchemaRegistry } from '@sluice/avro'
import { silentLogger } from '@sluice/core'
import { type TestDatabase, createTestDatabase, databaseUrl, dropMarkedDatabase, markDatabase } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { planUndo, readDrift, undoLast } from '@sluice/migrate'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { type ProvisionStep, type ProvisionTargets, provision } from '@sluice/provision'
import { PROJECTOR_TABLES } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import system from '../system.ts'

type ServiceName = keyof (typeof system)['services']

/** "Service-Specific Migration Details"; `processed_events`, which the document lists with each CDS service, has a test of its own. */
const TABLES: Readonly<Record<ServiceName, readonly string[]>> = {
  cas_audit: ['audit_events'],
  cds_client: ['client_links', 'clients'],
  cds_document: ['documents'],
  cds_interaction: ['interactions'],
  cds_product: ['products'],
  cds_relationship: ['relationships'],
  cds_riskprofile: ['risk_profiles', 'suitability_assessments'],
  rmbrain_mainapp: ['event_mappings', 'plugin_event_registry', 'plugins', 'tenant_plugins'],
  cds_task: ['tasks'],
}
/** "Verify Migration Status", word for word. */
const PROCESSED_EVENTS_CHECK = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'processed_events';"

const services = process.env['SLUICE_TEST_SERVICES_URL']!
const server = postgresTarget('services', services)
const tables = Object.entries(TABLES) as readonly [ServiceName, readonly string[]][]
/** The database of each service, by the definition. */
const databases = Object.fromEntries(
  Object.entries(system.services).map(([service, { database }]) => [service, database!]),
) as Readonly<Record<ServiceName, string>>
let pipeline: TestDatabase | undefined
let monolith: TestDatabase | undefined
let targets: ProvisionTargets & { readonly services: Readonly<Record<ServiceName, PostgresTarget>> }

/** The names are the document's, so somebody else may have such databases: true once none was there. */
let areOurs = false

beforeAll(async () => {
  // SLU-7005 for one that no test has made.
  for (const name of Object.values(databases)) await dropMarkedDatabase(services, name)
  areOurs = true
  pipeline = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'rmbrain pipeline')
  monolith = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'rmbrain monolith')
  const targetOf = (service: ServiceName): PostgresTarget => postgresTarget(service, databaseUrl(services, databases[service]))
  targets = {
    pipeline: postgresTarget('pipeline', pipeline.url),
    monolith: postgresTarget('monolith', monolith.url),
    services: Object.fromEntries(tables.map(([service]) => [service, targetOf(service)])) as Record<ServiceName, PostgresTarget>,
  }
  await provisionAll()
})
afterAll(async () => {
  if (areOurs) await dropNine()
  await pipeline?.drop()
  await monolith?.drop()
})

async function dropNine(): Promise<void> {
  const made = await query(server, 'SELECT datname AS name FROM pg_database')
  const client = await connect(server, { applicationName: 'rmbrain test' })
  const names = made.flatMap(({ name }) => Object.values(databases).filter((known) => known === name))
  for (const name of names) await markDatabase(client, name, 'rmbrain test')
  await client.end()
  for (const name of names) await dropMarkedDatabase(services, name)
}

async function provisionAll(): Promise<readonly ProvisionStep[]> {
  const kafka = createKafka({
    brokers: [process.env['SLUICE_TEST_KAFKA_BROKERS']!],
    clientId: 'rmbrain-test',
    logger: silentLogger,
  })
  const registry = createSchemaRegistry({ url: process.env['SLUICE_TEST_REGISTRY_URL']! })
  return provision({ system, targets, kafka, registry, isDryRun: false, createDatabases: true })
}

async function query(target: PostgresTarget, sql: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const client = await connect(target, { applicationName: 'rmbrain test' })
  try {
    return (await client.query<Readonly<Record<string, string>>>(sql)).rows
  } finally {
    await client.end()
  }
}

test('all nine databases are made by one command, by the names of the document', async () => {
  const rows = await query(server, 'SELECT datname FROM pg_database')
  expect(rows.map((row) => row['datname'])).toEqual(
    expect.arrayContaining([
      'cas_audit',
      'cds_client',
      'cds_document',
      'interaction_db',
      'cds_product',
      'relationship_db',
      'riskprofile_db',
      'rmbrain_mainapp',
      'cds_task',
    ]),
  )
})

test('a database, table, topic or schema that exists already is skipped', async () => {
  const steps = await provisionAll()
  expect(steps.filter((step) => step.what.startsWith('database '))).toHaveLength(10)
  expect(steps.filter((step) => step.outcome !== 'present')).toEqual([])
})

test.each(tables)('%s has its tables, and no others of its own', async (service, names) => {
  const rows = await query(
    targets.services[service],
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1",
  )
  const own = rows.map((row) => row['table_name']!).filter((name) => !PROJECTOR_TABLES.has(name) && !name.endsWith('_migrations'))
  expect(own).toEqual(names)
})

test.each(tables.filter(([service]) => service.startsWith('cds_')))(
  '%s passes the check of its processed_events table',
  async (service) => {
    expect(await query(targets.services[service], PROCESSED_EVENTS_CHECK)).toEqual([{ count: '1' }])
  },
)

test('the document service has its three migrations, by name and in order', async () => {
  const rows = await query(targets.services.cds_document, 'SELECT name FROM service_migrations ORDER BY id')
  expect(rows.map((row) => row['name']!.replace(/^\d+_/, ''))).toEqual([
    'init',
    'add_category_column',
    'update_processed_events_canonical',
  ])
})

test('met events are shown in the canonical structure, and the table that decides over them keeps its own', async () => {
  const target = targets.services.cds_document
  const id = '11111111-1111-4111-8111-111111111111'
  await query(
    target,
    `INSERT INTO projector_positions (lane, lane_name, epoch, cluster_id, applied_position)
     VALUES (1, 'monolith', '22222222-2222-4222-8222-222222222222', 'cluster', 7)`,
  )
  await query(target, `INSERT INTO processed_events (event_id, lane, position) VALUES ('${id}', 1, 7)`)
  expect(await query(target, 'SELECT event_id, service_name, source, sequence::text FROM processed_events_canonical')).toEqual([
    { event_id: id, service_name: 'cds-document', source: 'monolith', sequence: '7' },
  ])
  const columns = (service: ServiceName): Promise<unknown> =>
    query(
      targets.services[service],
      `SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'processed_events' ORDER BY 1`,
    )
  expect(await columns('cds_document')).toEqual(await columns('cds_task'))
})

test('each of the three is undone by itself, the last one first, and all are applied again', async () => {
  const target = targets.services.cds_document
  const database = { service: 'cds_document', target, definition: system.services['cds_document'] }
  const made = `SELECT to_regclass('documents') IS NOT NULL AS documents, to_regclass('processed_events_canonical') IS NOT NULL AS canonical,
    to_regclass('processed_events_time') IS NOT NULL AS by_time,
    EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'documents' AND column_name = 'category') AS category`
  const undone: unknown[] = []
  for (let migrations = 3; migrations > 0; migrations -= 1) {
    await undoLast(database, await planUndo(database))
    undone.push(...(await query(target, made)))
  }
  expect(undone).toEqual([
    { documents: true, category: true, canonical: false, by_time: false },
    { documents: true, category: false, canonical: false, by_time: false },
    { documents: false, category: false, canonical: false, by_time: false },
  ])
  await provisionAll()
  expect(await query(target, made)).toEqual([{ documents: true, category: true, canonical: true, by_time: true }])
  // What decides whether an event takes effect is as it was.
  expect(await query(target, 'SELECT count(*) AS events FROM processed_events')).toEqual([{ events: '1' }])
})

test('a database that was only migrated does not differ from its migrations', async () => {
  const services = tables.map(([service]) => {
    return { service, target: targets.services[service], definition: system.services[service] }
  })
  const drift = await readDrift({ services, signal: new AbortController().signal })
  expect(drift.map(({ service, differences, error }) => ({ service, differences, error }))).toEqual(
    services.map(({ service }) => ({ service, differences: [], error: null })),
  )
})

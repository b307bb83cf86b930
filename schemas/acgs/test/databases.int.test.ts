/** The eight databases, made by one command. */
import { createSchemaRegistry } from '@sluice/avro'
import { silentLogger } from '@sluice/core'
import { type TestDatabase, createTestDatabase, databaseUrl, dropMarkedDatabase, markDatabase } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { planUndo, readDrift, undoLast } from '@sluice/migrate'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { type ProvisionStep, provision } from '@sluice/provision'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServiceName, databases } from '../databases.ts'
import system from '../system.ts'

const url = process.env['SLUICE_TEST_SERVICES_URL']!
const names = Object.entries(databases) as readonly [ServiceName, string][]
const targets = Object.fromEntries(names.map(([service, name]) => [service, postgresTarget(service, databaseUrl(url, name))]))
const services = names.map(([service]) => ({ service, target: targets[service]!, definition: system.services[service] }))
let pipeline: TestDatabase
let monolith: TestDatabase

beforeAll(async () => {
  pipeline = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'acgs pipeline')
  monolith = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'acgs monolith')
  await provisionAll()
})
afterAll(async () => {
  const client = await connect(postgresTarget('services', url), { applicationName: 'acgs test' })
  for (const [, name] of names) await markDatabase(client, name, 'acgs test')
  await client.end()
  for (const [, name] of names) await dropMarkedDatabase(url, name)
  await pipeline.drop()
  await monolith.drop()
})

async function provisionAll(): Promise<readonly ProvisionStep[]> {
  const brokers = [process.env['SLUICE_TEST_KAFKA_BROKERS']!]
  return provision({
    system,
    targets: {
      pipeline: postgresTarget('pipeline', pipeline.url),
      monolith: postgresTarget('monolith', monolith.url),
      services: targets,
    },
    kafka: createKafka({ brokers, clientId: 'acgs-test', logger: silentLogger }),
    registry: createSchemaRegistry({ url: process.env['SLUICE_TEST_REGISTRY_URL']! }),
    isDryRun: false,
    createDatabases: true,
  })
}

async function query(target: PostgresTarget, sql: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const client = await connect(target, { applicationName: 'acgs test' })
  try {
    return (await client.query<Readonly<Record<string, string>>>(sql)).rows
  } finally {
    await client.end()
  }
}

test('all eight databases are made by one command, by the names of the document', async () => {
  const rows = await query(postgresTarget('services', url), 'SELECT datname FROM pg_database')
  expect(rows.map((row) => row['datname'])).toEqual(
    expect.arrayContaining([
      'auth_db',
      'constitutional_db',
      'integrity_db',
      'verification_db',
      'synthesis_db',
      'governance_db',
      'council_db',
      'dgm_db',
    ]),
  )
  expect((await provisionAll()).filter((step) => step.outcome !== 'present')).toEqual([])
})

test('a database that was only migrated does not differ from its migrations', async () => {
  const drift = await readDrift({ services, signal: new AbortController().signal })
  expect(drift.map(({ service, differences, error }) => ({ service, differences, error }))).toEqual(
    services.map(({ service }) => ({ service, differences: [], error: null })),
  )
})

test('the migrations of each service are undone, and applied again', async () => {
  for (const database of services) {
    // First the rights, then the tables.
    await undoLast(database, await planUndo(database))
    await undoLast(database, await planUndo(database))
    expect(
      await query(
        database.target,
        `SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ('users', 'audit_logs', 'policies')`,
      ),
    ).toEqual([])
  }
  await provisionAll()
  const drift = await readDrift({ services, signal: new AbortController().signal })
  expect(drift.flatMap(({ differences }) => differences)).toEqual([])
})

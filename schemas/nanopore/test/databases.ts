/** Databases of the nanopore system for its tests: the monolith and the services, with their migrations. */
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import type pg from 'pg'
import type { ServiceName } from '../service-databases.ts'
import { NanoporeDatabases } from '../service-databases.ts'
import system from '../system.ts'

export interface OpenDatabase extends AsyncDisposable {
  readonly url: string
  /** As the tables' owner. */
  readonly client: pg.Client
}

export async function openDatabase(name: 'monolith' | ServiceName): Promise<OpenDatabase> {
  const isMonolith = name === 'monolith'
  const server = process.env[isMonolith ? 'SLUICE_TEST_MONOLITH_URL' : 'SLUICE_TEST_SERVICES_URL']
  if (server === undefined) throw new Error('the global setup names the servers')
  const database: TestDatabase = await createTestDatabase(server, `nanopore ${name}`)
  const target = postgresTarget(name, database.url)
  const folder = isMonolith ? system.monolith.migrations : system.services[name].migrations
  await migrate(target, { folder, table: 'schema_migrations' })
  const client = await connect(target, { applicationName: 'nanopore test' })
  return {
    url: database.url,
    client,
    async [Symbol.asyncDispose]() {
      await client.end()
      await database.drop()
    },
  }
}

export interface OpenServices extends AsyncDisposable {
  readonly databases: NanoporeDatabases
  readonly clients: Readonly<Record<ServiceName, pg.Client>>
}

/** All five, as an application opens them. */
export async function openServices(): Promise<OpenServices> {
  const samples = await openDatabase('samples')
  const ai = await openDatabase('ai')
  const audit = await openDatabase('audit')
  const backup = await openDatabase('backup')
  const config = await openDatabase('config')
  const databases = await NanoporeDatabases.open({
    SAMPLES_DB_URL: samples.url,
    AI_DB_URL: ai.url,
    AUDIT_DB_URL: audit.url,
    BACKUP_DB_URL: backup.url,
    CONFIG_DB_URL: config.url,
  })
  const all = { samples, ai, audit, backup, config }
  return {
    databases,
    clients: {
      samples: samples.client,
      ai: ai.client,
      audit: audit.client,
      backup: backup.client,
      config: config.client,
    },
    async [Symbol.asyncDispose]() {
      await databases.close()
      for (const database of Object.values(all)) await database[Symbol.asyncDispose]()
    },
  }
}

/** Databases of the MedContractHub system for its tests: the monolith and the services, with their migrations. */
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { outboxMigration } from '@sluice/outbox'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import type pg from 'pg'
import system from '../system.ts'

export type ServiceName = keyof typeof system.services

export interface OpenDatabase {
  readonly url: string
  readonly client: pg.Client
  close(): Promise<void>
}

export async function openMonolith(): Promise<OpenDatabase> {
  const open = await openDatabase('SLUICE_TEST_MONOLITH_URL', 'medcontracthub', system.monolith.migrations)
  await migrate(postgresTarget('monolith', open.url), outboxMigration)
  return open
}

export async function openService(service: ServiceName): Promise<OpenDatabase> {
  const open = await openDatabase('SLUICE_TEST_SERVICES_URL', service, system.services[service].migrations)
  if (system.services[service].outbox) await migrate(postgresTarget(service, open.url), outboxMigration)
  return open
}

async function openDatabase(server: string, label: string, folder: URL): Promise<OpenDatabase> {
  const serverUrl = process.env[server]
  if (serverUrl === undefined) throw new Error(`${server} is set by the global setup`)
  const database: TestDatabase = await createTestDatabase(serverUrl, `${label} schema`)
  const target = postgresTarget(label, database.url)
  await migrate(target, { folder, table: 'schema_migrations' })
  const client = await connect(target, { applicationName: 'medcontracthub test' })
  return {
    url: database.url,
    client,
    close: async () => {
      await client.end()
      await database.drop()
    },
  }
}

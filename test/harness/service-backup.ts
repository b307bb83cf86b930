/**
 * `sluice backup` and `sluice restore` of a service, called as people call them, with a key, and `sluice provision --recreate`. The
 * system's servers are those of PostgreSQL 16, whose programs are at hand.
 */
import { quoteIdentifier } from '@sluice/core'
import { databaseUrl, markDatabase } from '@sluice/infra'
import pg from 'pg'
import { programsOf16 } from '../../packages/backup/test/programs.ts'
import { runSluice } from './sluice-process.ts'
import type { TestSystem } from './test-system.ts'
import { waitUntil } from './wait-until.ts'

const SESSIONS_END_LIMIT_MS = 60_000
const KEY = `backup:${Buffer.alloc(32, 'backup ').toString('base64')}`

/** What is looked at of a manifest. */
export interface ServiceBackup {
  readonly encryption: { readonly key: string } | null
  readonly positions: readonly { readonly lane: string; readonly position: string }[]
  readonly sinks: readonly { readonly store: string; readonly table: string; readonly rows: string }[]
}

export interface ServiceRestore {
  readonly dryRun: boolean
  readonly exists: boolean
  readonly sinkTables: readonly { readonly table: string; readonly rows: string; readonly held: string | null }[]
}

export async function backUpService(system: TestSystem, service: string, folder: string): Promise<ServiceBackup> {
  const { backups } = await succeeded<{ backups: [ServiceBackup] }>(system, ['backup', service, '--to', folder])
  return backups[0]
}

/** What it would do; changes nothing. */
export async function planServiceRestore(system: TestSystem, service: string, folder: string): Promise<ServiceRestore> {
  return succeeded(system, ['restore', service, '--from', folder, '--dry-run'])
}

export async function restoreService(system: TestSystem, service: string, folder: string): Promise<ServiceRestore> {
  const report = await succeeded<ServiceRestore>(system, ['restore', service, '--from', folder])
  // Comments on a database are in no backup, and the system drops only what has its mark.
  await onServer(system, (client) => markDatabase(client, databaseOf(system, service), `restored ${service}`))
  return report
}

/** Of a service whose projector has ended. Its old database is kept beside the new one. */
export async function recreateService(system: TestSystem, service: string): Promise<void> {
  // A database that somebody is connected to is not made anew; sessions of a process that was killed end after it.
  await (await system.client(service)).end()
  await waitUntil('the sessions of the projector to end', SESSIONS_END_LIMIT_MS, () => isUnused(system, service))
  await succeeded(system, ['provision', '--recreate', service, '--yes'])
}

/** The one that `recreateService` left: a restore is refused beside it. */
export async function dropKeptDatabase(system: TestSystem, service: string): Promise<void> {
  const name = `${databaseOf(system, service)}_sluice_old`
  await onServer(system, (client) => client.query(`DROP DATABASE ${quoteIdentifier(name)}`))
}

/** Refused by PostgreSQL while anybody but the test is connected to it. */
export async function dropServiceDatabase(system: TestSystem, service: string): Promise<void> {
  await (await system.client(service)).end()
  await onServer(system, (client) => client.query(`DROP DATABASE ${quoteIdentifier(databaseOf(system, service))}`))
}

export async function hasServiceDatabase(system: TestSystem, service: string): Promise<boolean> {
  const { rowCount } = await onServer(system, (client) =>
    client.query('SELECT FROM pg_database WHERE datname = $1', [databaseOf(system, service)]),
  )
  return rowCount === 1
}

export function databaseOf(system: TestSystem, service: string): string {
  return decodeURIComponent(new URL(system.url(service)).pathname.slice(1))
}

/** A session in no database of the system. */
export async function onServer<T>({ servers }: TestSystem, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: databaseUrl(servers.services.url, 'postgres'),
    application_name: 'sluice-test',
  })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function isUnused(system: TestSystem, service: string): Promise<boolean> {
  const { rowCount } = await onServer(system, (client) =>
    client.query('SELECT FROM pg_stat_activity WHERE datname = $1', [databaseOf(system, service)]),
  )
  return rowCount === 0
}

async function succeeded<T>(system: TestSystem, args: readonly string[]): Promise<T> {
  const env = { ...system.env, SLUICE_BACKUP_KEY: KEY, SLUICE_PG_BIN: await programsOf16() }
  const { code, stdout, stderr } = await runSluice([...args, '--json'], env)
  if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stderr}`)
  return (JSON.parse(stdout) as { result: T }).result
}

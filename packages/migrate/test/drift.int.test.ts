import { connect, postgresTarget } from '@sluice/postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type StructureDifference, migrateServices, readDrift } from '../src/index.ts'
import { withScratchDatabase } from '../src/scratch-database.ts'
import { type ServiceFixture, createService } from './service-fixture.ts'

const signal = new AbortController().signal
let service: ServiceFixture

const SCHEMA = 'CREATE TABLE clients (id uuid PRIMARY KEY, name text); ALTER TABLE processed_events ADD COLUMN note text;'

async function differences(): Promise<readonly StructureDifference[]> {
  const [drift] = await readDrift({ services: [service], signal })
  expect(drift!.error).toBeNull()
  return drift!.differences
}

async function scratchDatabases(): Promise<readonly object[]> {
  return service.query(`SELECT datname FROM pg_database WHERE datname LIKE 'sluice\\_scratch\\_%'`)
}

beforeEach(async () => {
  service = await createService('cds_client')
  await service.write('0001_init', SCHEMA)
  await migrateServices({ services: [service], isDryRun: false, signal })
})

afterEach(() => service.drop())

test('a database that was only migrated does not differ, and no scratch database is left', async () => {
  const [drift] = await readDrift({ services: [service], signal })
  expect(drift).toMatchObject({ differences: [], pending: [], error: null })
  // Table, two columns, primary key, and the column of Sluice's table.
  expect(drift!.compared).toBe(5)
  expect(await scratchDatabases()).toEqual([])
})

test('what was changed by hand is named, also what the migrations of the service made of a table of Sluice', async () => {
  await service.query('ALTER TABLE clients ADD COLUMN phone text')
  await service.query('ALTER TABLE processed_events DROP COLUMN note')
  await service.query('DROP INDEX processed_events_positions')
  expect(await differences()).toEqual([
    { kind: 'column', name: 'public.processed_events.note', problem: 'missing', facets: [] },
    { kind: 'column', name: 'public.clients.phone', problem: 'unexpected', facets: [] },
  ])
})

test('what is pending is not expected', async () => {
  await service.write('0002_more', 'CREATE TABLE more (id int);')
  const [drift] = await readDrift({ services: [service], signal })
  expect(drift).toMatchObject({ differences: [], pending: ['0002_more'] })
})

test('a migration file that was changed after it was applied shows', async () => {
  await service.write('0001_init', `${SCHEMA} CREATE TABLE late (id int);`)
  expect(await differences()).toMatchObject([{ kind: 'table', name: 'public.late', problem: 'missing' }])
})

test('an applied migration without a file: what it made can not be told', async () => {
  await service.write('0002_more', 'CREATE TABLE more (id int);')
  await migrateServices({ services: [service], isDryRun: false, signal })
  await service.forget('0002_more')
  const [drift] = await readDrift({ services: [service], signal })
  expect(drift!.error).toMatchObject({ code: 'MIGRATION_FILE_INVALID', why: expect.stringContaining('no such file') as string })
})

describe('the scratch database', () => {
  test('a role that may not make one is told which right it lacks', async () => {
    await service.query(`CREATE ROLE drift_reader LOGIN PASSWORD 'drift'`)
    try {
      await service.query('GRANT SELECT ON ALL TABLES IN SCHEMA public TO drift_reader')
      const url = new URL(service.url)
      url.username = 'drift_reader'
      url.password = 'drift'
      const [drift] = await readDrift({
        services: [{ ...service, target: postgresTarget('cds_client', url.toString()) }],
        signal,
      })
      expect(drift!.error).toMatchObject({
        code: 'POSTGRES_PRIVILEGE_MISSING',
        exitCode: 3,
        ways: [expect.stringContaining('ALTER ROLE drift_reader CREATEDB') as string],
      })
    } finally {
      await service.query('DROP OWNED BY drift_reader; DROP ROLE drift_reader')
    }
  })

  test('is dropped when the work in it fails', async () => {
    await expect(withScratchDatabase(service.target, () => Promise.reject(new Error('broken')))).rejects.toThrow()
    expect(await scratchDatabases()).toEqual([])
  })

  test('one that a killed process left goes with the next, one in use stays', async () => {
    await service.query('CREATE DATABASE sluice_scratch_0123456789abcdef0123 TEMPLATE template0')
    await withScratchDatabase(service.target, async (used) => {
      const names = async () => (await scratchDatabases()).map((row) => ('datname' in row ? row.datname : ''))
      expect(await names()).toEqual([used.database])
      await withScratchDatabase(service.target, async (other) => {
        expect(await names()).toEqual(expect.arrayContaining([used.database, other.database]))
      })
      const client = await connect(used, { applicationName: 'test' })
      await client.end()
    })
    expect(await scratchDatabases()).toEqual([])
  })
})

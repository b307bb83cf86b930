/** What is restored is what was there: a monolith, a pipeline database with its events, and a service, which then goes on by itself. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quoteIdentifier } from '@sluice/core'
import { type RunningServers, createTestDatabase, startServers } from '@sluice/infra'
import { type PostgresTarget, connect, postgresTarget, withConnection, withDatabase } from '@sluice/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertPerson, person } from '../../../test/privacy/planted-people.ts'
import { MASTER_KEYS, PrivatePipeline } from '../../../test/privacy/private-pipeline.ts'
import { PRIVATE_DDL } from '../../../test/privacy/private-shop.ts'
import { type RestoreReport, backupDatabase, findTool, restoreDatabase } from '../src/index.ts'
import { programsOf16 } from './programs.ts'

const SESSION = { applicationName: 'restore test' }
const signal = new AbortController().signal

let servers: RunningServers
let root: string
let pipeline: PrivatePipeline

/** Until what the monolith committed is in both services. */
async function work(): Promise<void> {
  const engines = pipeline.start()
  await pipeline.caughtUp()
  await engines.stop()
}

async function backUp(target: PostgresTarget): Promise<void> {
  const tool = await findTool('pg_dump', await programsOf16())
  await backupDatabase({ system: pipeline.shop.system.name, target, sink: null, to: root, tool, keys: null, signal })
}

async function restore(target: PostgresTarget): Promise<RestoreReport> {
  const { monolith, pipeline: store } = pipeline.targets
  return restoreDatabase({
    system: pipeline.shop.system,
    target,
    erasuresFrom: target.name === 'mail' ? { monolith, pipeline: store } : null,
    masterKeys: MASTER_KEYS,
    sink: null,
    addsToSink: false,
    from: root,
    tool: await findTool('pg_restore', await programsOf16()),
    keys: null,
    signal,
  })
}

/** Every row of every table, partitions by themselves, as PostgreSQL prints it. */
async function everyRow(target: PostgresTarget): Promise<readonly unknown[]> {
  return withConnection(target, SESSION, async (client) => {
    const { rows: tables } = await client.query<{ part: string }>(
      `SELECT format('SELECT %L AS place, t::text AS row FROM %I.%I t', c.oid::regclass, n.nspname, c.relname) AS part
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
    )
    const { rows } = await client.query<Record<string, unknown>>(
      `${tables.map(({ part }) => part).join(' UNION ALL ')} ORDER BY 1, 2`,
    )
    return rows
  })
}

beforeAll(async () => {
  servers = await startServers({ services: true, extensions: ['vector'] })
  // PostgreSQL 16, whose pg_dump is at hand; the monolith stays where it is.
  for (const name of ['PIPELINE', 'SERVICES']) process.env[`SLUICE_TEST_${name}_URL`] = servers.services.url
  root = await mkdtemp(join(tmpdir(), 'sluice-backup-'))
  pipeline = await PrivatePipeline.open('restored')
  for (const account of [1, 2, 3]) await insertPerson(pipeline.clients.monolith, person(`n${account}`, account))
  await work()
})

afterAll(async () => {
  await pipeline[Symbol.asyncDispose]()
  await servers.stop()
  await rm(root, { recursive: true })
})

async function comesBack(target: PostgresTarget): Promise<RestoreReport> {
  await backUp(target)
  const restored = withDatabase(target, `${target.database}_restored`)
  const report = await restore(restored)
  expect(await everyRow(restored)).toEqual(await everyRow(target))
  await withConnection(withDatabase(target, 'postgres'), SESSION, (client) =>
    client.query(`DROP DATABASE ${quoteIdentifier(restored.database)}`),
  )
  return report
}

test('the pipeline database comes back with every event of every partition, and says how far it is', async () => {
  const { manifest } = await comesBack(pipeline.targets.pipeline)
  expect(manifest.positions).toMatchObject([{ lane: 'monolith' }])
  expect(manifest.tables.find(({ name, rows }) => name.startsWith('event_store_') && rows > 0n)).toBeDefined()
})

test('a monolith comes back with every row', async () => {
  const database = await createTestDatabase(servers.services.url, 'monolith to restore')
  const target = postgresTarget('monolith', database.url)
  await withConnection(target, SESSION, async (client) => {
    await client.query(PRIVATE_DDL)
    await insertPerson(client, person('kept', 1))
    await client.query('CREATE PUBLICATION captured FOR TABLE people')
  })
  const { manifest } = await comesBack(target)
  expect(manifest.tables).toContainEqual({ schema: 'public', name: 'people', rows: 1n })
  await database.drop()
})

test('a restored service goes on from its own position, and ends as if it had never been away', async () => {
  const { monolith } = pipeline.clients
  const target = pipeline.targets.mail
  /** Rows, what was met, and how far it is. */
  const everything = async (): Promise<unknown> => {
    const { rows } = await pipeline.clients.mail.query(
      `SELECT (SELECT array_agg(p::text ORDER BY p::text) FROM people p) AS rows,
         (SELECT array_agg(event_id ORDER BY event_id) FROM processed_events) AS met,
         (SELECT count(*) FROM parked_events) AS parked`,
    )
    return rows
  }
  await backUp(target)
  // It works on: these are in no backup.
  await insertPerson(monolith, person('later', 4))
  await monolith.query(`UPDATE people SET city = 'moved' WHERE account = 1`)
  await monolith.query(`DELETE FROM people WHERE account = 2`)
  await work()
  const before = await everything()

  await pipeline.clients.mail.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  await pipeline.clients.mail.end()
  await restore(target)
  pipeline.clients.mail = await connect(target, SESSION)
  expect(await everything()).not.toEqual(before)

  await work()
  expect(await everything()).toEqual(before)
  await insertPerson(monolith, person('after', 5))
  await work()
  expect((await pipeline.clients.mail.query('SELECT FROM people')).rowCount).toBe(4)
})

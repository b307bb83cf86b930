import { randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createSchemaRegistry } from '@sluice/avro'
import { connect } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Shop } from '../../projector/test/projector-fixture.ts'
import { customer, order } from '../../projector/test/shop-rows.ts'
import { SERVICE, customers, orders, shop as system } from '../../projector/test/shop-system.ts'
import { announced, created, deleted, updated } from '../../projector/test/test-lane.ts'
import { planRecreate, recreateService } from '../src/index.ts'

let shop: Shop

beforeEach(async () => {
  shop = await Shop.open()
  const [a, b] = [randomUUID(), randomUUID()]
  shop.lane.commit(
    created(customers, customer(a)),
    created(customers, customer(b, { tier: 'gold' })),
    created(orders, order('1', a)),
  )
  shop.lane.commit(updated(customers, customer(a, { name: 'Bo' })), announced('OrderPlaced', { client: a }))
  shop.lane.commit(created(orders, order('2', b)), deleted(orders, { id: '1' }))
  await shop.applyAll()
})

afterEach(() => shop[Symbol.asyncDispose]())

const plan = (definition: SystemDefinition = system) =>
  planRecreate({ system: definition, service: SERVICE, target: shop.target, kafka: shop.kafka })

async function recreate(definition: SystemDefinition = system): Promise<void> {
  const targets = { monolith: shop.target, pipeline: shop.target, services: { [SERVICE]: shop.target } }
  const registry = createSchemaRegistry({ url: process.env['SLUICE_TEST_REGISTRY_URL']! })
  await recreateService(SERVICE, { system: definition, targets, kafka: shop.kafka, registry, isDryRun: false })
}

async function query(statement: string, database = shop.target.database): Promise<readonly Record<string, unknown>[]> {
  const client = await connect(
    { ...shop.target, config: { ...shop.target.config, database } },
    { applicationName: 'recreate test' },
  )
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

/** Everything that the service holds because of events, as text. */
async function contents(): Promise<readonly string[]> {
  const tables = ['clients', 'favourites', 'orders', 'order_counts', 'links']
  const rows = await query(
    [...tables.map((t) => `SELECT '${t}' || (t.*)::text AS row FROM ${t} t`), 'SELECT event_id::text FROM processed_events'].join(
      ' UNION ALL ',
    ) + ' ORDER BY 1',
  )
  return rows.map(({ row }) => String(row))
}

async function databasesBeside(): Promise<readonly unknown[]> {
  const rows = await query(`SELECT datname FROM pg_database WHERE datname LIKE '${shop.target.database}\\_sluice\\_%'`)
  return rows.map(({ datname }) => datname)
}

const empty = async (): Promise<boolean> => (await contents()).length === 0

/** The definition with one more migration, that fails. */
async function broken(): Promise<SystemDefinition> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-recreate-'))
  await writeFile(path.join(folder, '0001_broken.sql'), '-- Up Migration\nCREATE TABLE a (id nothing);\n')
  const service = { ...system.services[SERVICE]!, migrations: pathToFileURL(`${folder}/`) }
  return { ...system, services: { [SERVICE]: service } }
}

test('the database is empty afterwards, and a projector fills it with the same rows from the topics', async () => {
  const before = await contents()
  expect(before.length).toBeGreaterThan(8)
  await shop.client.end()
  await recreate()
  expect(await empty()).toBe(true)
  expect(await databasesBeside()).toEqual([])
  await shop.applyAll()
  expect(await contents()).toEqual(before)
})

describe('the plan', () => {
  test('says what is lost, what comes back, and changes nothing', async () => {
    await shop.client.query('ANALYZE')
    await shop.client.query('SELECT pg_stat_force_next_flush()')
    const before = await contents()
    const planned = await plan()
    expect(planned).toMatchObject({ exists: true, grantees: [] })
    expect(planned.tables).toEqual(
      expect.arrayContaining([
        { table: 'public.clients', rows: 2n, isProjected: true },
        { table: 'public.order_counts', rows: 1n, isProjected: false },
      ]),
    )
    expect(planned.tables.map((t) => t.table)).not.toContain('public.processed_events')
    expect(planned.offsets).toBeGreaterThan(0n)
    expect(await contents()).toEqual(before)
  })

  test('is refused once retention has removed what the service would need', async () => {
    const [topic] = [customers.topic.name]
    shop.kafka.deleteRecords({ topic, partition: 0 }, 1n)
    await expect(plan()).rejects.toMatchObject({
      code: 'SERVICE_NOT_REBUILDABLE',
      exitCode: 4,
      why: `topic ${topic}, partition 0, begins at offset 1: retention has removed what came before`,
    })
  })

  test('is refused where a topic is compacted', async () => {
    shop.kafka.config = { 'cleanup.policy': 'compact,delete' }
    await expect(plan()).rejects.toMatchObject({
      code: 'SERVICE_NOT_REBUILDABLE',
      why: expect.stringContaining('compacted') as string,
    })
  })

  test('is refused where the service is a source: in the definition, or by a slot', async () => {
    const source = { ...system.services[SERVICE]!, outbox: { topic: customers.topic } }
    await expect(plan({ ...system, services: { [SERVICE]: source } })).rejects.toMatchObject({
      code: 'SERVICE_NOT_REBUILDABLE',
      why: expect.stringContaining('source itself') as string,
    })
    await shop.client.query(`SELECT pg_create_logical_replication_slot('recreate_test', 'pgoutput')`)
    try {
      await expect(plan()).rejects.toMatchObject({ why: 'replication slot "recreate_test" reads from it' })
    } finally {
      await shop.client.query(`SELECT pg_drop_replication_slot('recreate_test')`)
    }
  })

  test('of a database that does not exist says so', async () => {
    const target = {
      ...shop.target,
      database: 'sluice_not_there',
      config: { ...shop.target.config, database: 'sluice_not_there' },
    }
    expect(await planRecreate({ system, service: SERVICE, target, kafka: shop.kafka })).toMatchObject({
      exists: false,
      tables: [],
    })
  })
})

describe('the old database stays', () => {
  test('while anybody is connected to it', async () => {
    const before = await contents()
    await expect(recreate()).rejects.toMatchObject({
      code: 'SERVICE_IN_USE',
      exitCode: 3,
      why: expect.stringContaining('projector test') as string,
    })
    expect(await contents()).toEqual(before)
    expect(await databasesBeside()).toEqual([])
  })

  test('when a migration fails', async () => {
    const before = await contents()
    await shop.client.end()
    await expect(recreate(await broken())).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    expect(await contents()).toEqual(before)
  })
})

test('what a killed call left beside it goes with the next', async () => {
  await shop.client.end()
  await expect(recreate(await broken())).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
  await query(`CREATE DATABASE "${shop.target.database}_sluice_old" TEMPLATE template0`, 'postgres')
  expect(await databasesBeside()).toHaveLength(2)
  await recreate()
  expect(await databasesBeside()).toEqual([])
  expect(await empty()).toBe(true)
})

test('owner, comment, settings and rights of the database itself are kept', async () => {
  const quoted = `"${shop.target.database}"`
  const properties = () =>
    query(
      `SELECT pg_get_userbyid(datdba) AS owner, shobj_description(oid, 'pg_database') AS comment, datacl::text AS acl,
         (SELECT array_agg(setconfig ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)::text AS settings
       FROM pg_database d WHERE datname = current_database()`,
    )
  await query('DROP ROLE IF EXISTS recreate_reader; CREATE ROLE recreate_reader', 'postgres')
  try {
    await shop.client
      .query(`ALTER DATABASE ${quoted} SET search_path = public, "Extra"; REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC;
      GRANT CONNECT ON DATABASE ${quoted} TO recreate_reader; ALTER ROLE recreate_reader IN DATABASE ${quoted} SET statement_timeout = '5s'`)
    await shop.client.end()
    const before = await properties()
    await recreate()
    expect(await properties()).toEqual(before)
    expect(before[0]!['settings']).toContain('Extra')
  } finally {
    await query(
      `ALTER ROLE recreate_reader IN DATABASE ${quoted} RESET ALL; REVOKE ALL ON DATABASE ${quoted} FROM recreate_reader; DROP ROLE recreate_reader`,
    )
  }
})

import { randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createSchemaRegistry } from '@sluice/avro'
import { quoteLiteral } from '@sluice/core'
import { connect } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Shop } from '../../projector/test/projector-fixture.ts'
import { customer, order } from '../../projector/test/shop-rows.ts'
import { SERVICE, customers, orders, shop as system } from '../../projector/test/shop-system.ts'
import { announced, created, deleted, updated } from '../../projector/test/test-lane.ts'
import { type RecreateReport, planRecreate, recreateService } from '../src/index.ts'

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

afterEach(async () => {
  await query(`DROP DATABASE IF EXISTS "${keptAs()}"`, 'postgres')
  await shop[Symbol.asyncDispose]()
})

/** Where the old database is afterwards. */
const keptAs = (): string => `${shop.target.database}_sluice_old`

const plan = (definition: SystemDefinition = system) =>
  planRecreate({ system: definition, service: SERVICE, target: shop.target, kafka: shop.kafka })

/** @param target With the login that does it. */
async function recreate(definition: SystemDefinition = system, target = shop.target): Promise<RecreateReport> {
  const targets = { monolith: shop.target, pipeline: shop.target, services: { [SERVICE]: target } }
  const registry = createSchemaRegistry({ url: process.env['SLUICE_TEST_REGISTRY_URL']! })
  return recreateService(SERVICE, { system: definition, targets, kafka: shop.kafka, registry, isDryRun: false })
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
  await shop.applyAll()
  expect(await contents()).toEqual(before)
})

test('the old database is kept, closed to everybody, until people drop it', async () => {
  const before = await contents()
  await shop.client.end()
  await recreate()
  expect(await databasesBeside()).toEqual([keptAs()])
  await expect(query('SELECT 1', keptAs())).rejects.toThrow(/not currently accepting connections/)
  await expect(plan()).rejects.toMatchObject({
    code: 'SERVICE_NOT_REBUILDABLE',
    why: expect.stringContaining(keptAs()) as string,
  })
  await expect(recreate()).rejects.toMatchObject({ code: 'SERVICE_NOT_REBUILDABLE' })
  // The way back that the error gives.
  const [name, old] = [`"${shop.target.database}"`, `"${keptAs()}"`]
  for (const step of [
    `DROP DATABASE ${name}`,
    `ALTER DATABASE ${old} RENAME TO ${name}`,
    `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`,
  ])
    await query(step, 'postgres')
  expect(await contents()).toEqual(before)
})

test('an empty database is replaced, and nothing is kept', async () => {
  await shop.client.end()
  const [marked] = await query(
    `SELECT shobj_description(oid, 'pg_database') AS text FROM pg_database WHERE datname = current_database()`,
  )
  await query(`DROP DATABASE "${shop.target.database}"`, 'postgres')
  await query(`CREATE DATABASE "${shop.target.database}"`, 'postgres')
  await query(`COMMENT ON DATABASE "${shop.target.database}" IS ${quoteLiteral(String(marked?.['text']))}`, 'postgres')
  await recreate()
  expect(await databasesBeside()).toEqual([])
  expect(await empty()).toBe(true)
})

test('a projector that outlived the old one gives way, and the next fills the new one', async () => {
  // It asks nothing of the database until an event comes, so that it does not hold it.
  const projector = shop.start({ idlePollMs: 600_000 })
  shop.lane.commit(created(customers, customer(randomUUID())))
  await shop.appliedBy(projector)
  const before = await contents()
  await shop.client.end()
  await query(
    `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '${shop.target.database}'`,
    'postgres',
  )
  await recreate()
  shop.lane.commit(created(customers, customer(randomUUID())))
  await expect(projector.ended).rejects.toMatchObject({ code: 'OFFSETS_MOVED' })
  expect(await empty()).toBe(true)
  await shop.applyAll()
  expect(await contents()).toHaveLength(before.length + 2)
  expect(await contents()).toEqual(expect.arrayContaining([...before]))
})

describe('the plan', () => {
  test('says what is lost, what comes back, and changes nothing', async () => {
    await shop.client.query('SELECT pg_stat_reset()')
    const before = await contents()
    const planned = await plan()
    expect(planned).toMatchObject({ exists: true, grantees: [] })
    expect(planned.tables).toEqual(
      expect.arrayContaining([
        // Without statistics, as after a crash, a table still has rows.
        { table: 'public.clients', rows: null, isProjected: true },
        { table: 'public.order_counts', rows: null, isProjected: false },
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

  test('is refused where the topics are not those that the service was built from', async () => {
    await shop.client.query(
      `UPDATE consumed_offsets SET next_offset = 1000 WHERE topic = '${customers.topic.name}' AND partition = 0`,
    )
    await expect(plan()).rejects.toMatchObject({
      code: 'SERVICE_NOT_REBUILDABLE',
      why: expect.stringMatching(/partition 0, ends at offset \d+: the service has consumed it up to 1000/) as string,
    })
    await shop.client.query(`UPDATE projector_positions SET cluster_id = 'another'`)
    await expect(plan()).rejects.toMatchObject({ why: expect.stringContaining('built from Kafka cluster another') as string })
  })

  test('names the decisions of people that are in this database alone', async () => {
    await shop.client.query(
      `INSERT INTO parked_event_edits (event_id, lane, position, aggregate_type, aggregate_key, column_name, value, requested_by, reason)
       VALUES (gen_random_uuid(), 1, 1, 'Customer', 'k', 'name', 'Bo', 'somebody', 'a test')`,
    )
    expect((await plan()).decisions).toBe(1n)
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
  expect(await databasesBeside()).toEqual([`${shop.target.database}_sluice_new`])
  await recreate()
  expect(await databasesBeside()).toEqual([keptAs()])
  expect(await empty()).toBe(true)
})

test('owner, comment, settings and rights of the database itself are kept', async () => {
  const quoted = `"${shop.target.database}"`
  const properties = () =>
    query(
      `SELECT pg_get_userbyid(datdba) AS owner, datconnlimit AS connections, datlocprovider AS provider, datcollate AS collate, shobj_description(oid, 'pg_database') AS comment, datacl::text AS acl,
         (SELECT array_agg(setconfig ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)::text AS settings
       FROM pg_database d WHERE datname = current_database()`,
    )
  await query('DROP ROLE IF EXISTS recreate_reader; CREATE ROLE recreate_reader', 'postgres')
  try {
    await shop.client
      .query(`ALTER DATABASE ${quoted} SET search_path = public, "Extra"; ALTER DATABASE ${quoted} CONNECTION LIMIT 33; REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC;
      GRANT CONNECT ON DATABASE ${quoted} TO recreate_reader; ALTER ROLE recreate_reader IN DATABASE ${quoted} SET statement_timeout = '5s'`)
    await shop.client.end()
    const before = await properties()
    await recreate()
    expect(await properties()).toEqual(before)
    expect(before[0]!['settings']).toContain('Extra')
  } finally {
    await query(`DROP DATABASE IF EXISTS "${keptAs()}"`, 'postgres')
    await query(
      `ALTER ROLE recreate_reader IN DATABASE ${quoted} RESET ALL; REVOKE ALL ON DATABASE ${quoted} FROM recreate_reader; DROP ROLE recreate_reader`,
    )
  }
})

describe('rights that people gave', () => {
  const GIVEN = `CREATE SCHEMA notes; CREATE TABLE notes.remarks (id integer);
    CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1';
    GRANT USAGE ON SCHEMA public TO recreate_analyst WITH GRANT OPTION;
    REVOKE USAGE ON SCHEMA public FROM PUBLIC;
    GRANT SELECT ON clients, notes.remarks TO recreate_analyst;
    GRANT SELECT (id), UPDATE (id) ON orders TO recreate_analyst;
    GRANT EXECUTE ON FUNCTION public.mine() TO recreate_analyst;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO recreate_analyst;
    ALTER DEFAULT PRIVILEGES IN SCHEMA notes GRANT SELECT ON TABLES TO recreate_analyst;
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC`
  /** What the analyst, and everybody, may do in the database that has the service's name now. */
  const rights = async (): Promise<unknown> => {
    await query(`CREATE TABLE IF NOT EXISTS made_later (id integer);
      CREATE OR REPLACE FUNCTION made_later() RETURNS integer LANGUAGE sql AS 'SELECT 1'`)
    const [row] = await query(
      `SELECT has_schema_privilege('recreate_analyst', 'public', 'USAGE WITH GRANT OPTION') AS schema,
         has_table_privilege('recreate_analyst', 'clients', 'SELECT') AS clients,
         has_table_privilege('recreate_analyst', 'clients', 'DELETE') AS "not given",
         has_column_privilege('recreate_analyst', 'orders', 'id', 'UPDATE') AS "column",
         has_table_privilege('recreate_analyst', 'made_later', 'SELECT') AS later,
         has_function_privilege('recreate_stranger', 'made_later()', 'EXECUTE') AS "taken by default",
         has_schema_privilege('recreate_stranger', 'public', 'USAGE') AS taken`,
    )
    return row
  }

  beforeEach(async () => {
    await query(
      `DROP ROLE IF EXISTS recreate_analyst, recreate_stranger, recreate_limited; CREATE ROLE recreate_analyst; CREATE ROLE recreate_stranger;
       CREATE ROLE recreate_limited LOGIN CREATEDB PASSWORD 'limited'`,
      'postgres',
    )
  })
  afterEach(async () => {
    // Roles can not go while a database knows them.
    for (const database of [shop.target.database, keptAs(), `${shop.target.database}_sluice_new`])
      await query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`, 'postgres')
    await query('DROP ROLE recreate_analyst, recreate_stranger, recreate_limited', 'postgres')
  })

  test('are given again on what is there afterwards, and what was taken from everybody is taken; what had nothing to go to is named', async () => {
    await shop.client.query(GIVEN)
    const before = await rights()
    expect(before).toEqual({
      schema: true,
      clients: true,
      'not given': false,
      column: true,
      later: true,
      'taken by default': false,
      taken: false,
    })
    await shop.client.end()
    const report = await recreate()
    expect(await rights()).toEqual(before)
    expect(report.rights.carried).toContain('GRANT SELECT ON TABLE public.clients TO recreate_analyst')
    expect([...report.rights.left].toSorted()).toEqual([
      'EXECUTE on ROUTINE public.mine() to recreate_analyst',
      'SELECT on TABLE notes.remarks to recreate_analyst',
      'SELECT on TABLE public.made_later to recreate_analyst',
      'SELECT on TABLES of SCHEMA notes to recreate_analyst',
    ])
    // Migrations and the definition had given the rest.
    expect(report.rights.carried.join()).not.toContain('processed_events')
  })

  test('where one of them can not be given nothing is changed', async () => {
    await shop.client.query(
      `ALTER DATABASE "${shop.target.database}" OWNER TO recreate_limited; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO recreate_analyst`,
    )
    const before = await contents()
    await shop.client.end()
    const config = { ...shop.target.config, user: 'recreate_limited', password: 'limited' }
    await expect(recreate(system, { ...shop.target, config })).rejects.toMatchObject({
      code: 'ROLE_MISSING',
      why: expect.stringMatching(/FOR ROLE \w+ GRANT SELECT ON TABLES TO recreate_analyst/) as string,
    })
    expect(await contents()).toEqual(before)
    expect(await databasesBeside()).not.toContain(keptAs())
  })
})

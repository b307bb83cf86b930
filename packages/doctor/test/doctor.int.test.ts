import { createSchemaRegistry } from '@sluice/avro'
import { type HealthCheck, silentLogger } from '@sluice/core'
import { type TestDatabase, createTestDatabase, startServers } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { connect, postgresTarget } from '@sluice/postgres'
import {
  type SystemDefinition,
  defineSystem,
  integer,
  lanesOf,
  mapTable,
  mask,
  sql,
  table,
  text,
  topic,
  uuid,
} from '@sluice/system'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DoctorTargets, runDoctor } from '../src/index.ts'

const items = topic('doctor.items')
const tables = {
  good: table('good', { columns: { id: uuid(), title: text(), body: text() }, key: ['id'], aggregate: 'Good', topic: items }),
  keyless: table('keyless', { columns: { id: uuid() }, key: ['id'], aggregate: 'Keyless', topic: topic('doctor.keyless') }),
  differs: table('differs', {
    columns: { id: uuid(), n: integer() },
    key: ['id'],
    aggregate: 'Differs',
    topic: topic('doctor.differs'),
  }),
  absent: table('absent', { columns: { id: uuid() }, key: ['id'], aggregate: 'Absent', topic: topic('doctor.absent') }),
  letters: table('letters', {
    columns: { id: uuid(), secret: text(), body: text() },
    key: ['id'],
    aggregate: 'Letter',
    topic: topic('doctor.letters'),
    privacy: { secret: mask('-') },
  }),
  silent: table('silent', { columns: { id: uuid() }, key: ['id'], aggregate: 'Silent', topic: topic('doctor.silent') }),
}

const nowhere = new URL('./', import.meta.url)
const system: SystemDefinition = defineSystem({
  name: 'doctor_test',
  avroSchemas: nowhere,
  monolith: { tables: Object.values(tables) },
  services: {
    shop: {
      migrations: nowhere,
      projections: [
        mapTable(tables.good, { into: 'goods', columns: (c) => ({ id: c.id, label: sql`${c.title} || ${c.body}` }) }),
      ],
    },
  },
})

const DDL = `
  CREATE TABLE good (id uuid PRIMARY KEY, title text NOT NULL, body text NOT NULL, extra text);
  CREATE TABLE keyless (id uuid NOT NULL);
  CREATE TABLE differs (id uuid PRIMARY KEY, n bigint NOT NULL);
  CREATE TABLE letters (id uuid PRIMARY KEY, secret text NOT NULL, body text NOT NULL);
  CREATE TABLE silent (id uuid PRIMARY KEY);
  ALTER TABLE silent REPLICA IDENTITY NOTHING;`

const servers = {
  monolith: process.env['SLUICE_TEST_MONOLITH_URL']!,
  pipeline: process.env['SLUICE_TEST_PIPELINE_URL']!,
  services: process.env['SLUICE_TEST_SERVICES_URL']!,
  kafka: process.env['SLUICE_TEST_KAFKA_BROKERS']!,
}

const REGISTRY_URL = process.env['SLUICE_TEST_REGISTRY_URL']!

const databases: TestDatabase[] = []
let targets: DoctorTargets

async function execute(url: string, statement: string): Promise<void> {
  const client = await connect(postgresTarget('test', url), { applicationName: 'doctor test' })
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  for (const [name, url] of Object.entries(servers)) {
    if (name !== 'kafka') databases.push(await createTestDatabase(url, `doctor ${name}`))
  }
  const [monolith, pipeline, shop] = databases.map((d) => d.url)
  await execute(monolith!, DDL)
  targets = {
    monolith: postgresTarget('monolith', monolith!),
    pipeline: postgresTarget('pipeline', pipeline!),
    services: { shop: postgresTarget('shop', shop!) },
  }
})

afterAll(async () => {
  for (const database of databases) await database.drop()
})

async function diagnose(
  changed: Partial<DoctorTargets> = {},
  brokers = servers.kafka,
  registry = REGISTRY_URL,
): Promise<readonly HealthCheck[]> {
  return runDoctor({
    system,
    targets: { ...targets, ...changed },
    kafka: createKafka({ brokers: [brokers], clientId: 'doctor-test', logger: silentLogger }),
    registry: createSchemaRegistry({ url: registry }),
  })
}

function named(checks: readonly HealthCheck[], name: string): readonly HealthCheck[] {
  return checks.filter((c) => c.name === name)
}

function only(checks: readonly HealthCheck[], name: string): HealthCheck {
  const [check, ...more] = named(checks, name)
  if (!check || more.length > 0) throw new Error(`${more.length + (check ? 1 : 0)} checks are called ${name}`)
  return check
}

describe('the doctor', () => {
  test('finds what is wrong with each captured table, and says what to do', async () => {
    const checks = await diagnose()
    expect(only(checks, 'monolith.table.public.keyless')).toMatchObject({
      status: 'failed',
      code: 'SLU-2012',
      fix: ['ALTER TABLE public.keyless ADD PRIMARY KEY (id);'],
    })
    expect(only(checks, 'monolith.table.public.differs')).toMatchObject({
      status: 'failed',
      code: 'SLU-2013',
      summary: expect.stringContaining('n has type bigint, the definition says integer') as string,
    })
    expect(only(checks, 'monolith.table.public.absent')).toMatchObject({ status: 'failed', code: 'SLU-2011' })
    expect(only(checks, 'monolith.table.public.silent')).toMatchObject({
      status: 'failed',
      fix: ['ALTER TABLE public.silent REPLICA IDENTITY DEFAULT;'],
    })
    // An update that leaves `body` untouched does not carry it, and `label` needs it.
    expect(named(checks, 'monolith.table.public.good').map((c) => [c.status, c.summary])).toEqual([
      ['warning', expect.stringContaining('extra') as string],
      ['warning', expect.stringContaining('shop: good->goods') as string],
    ])
    for (const check of checks) if (check.status !== 'ok') expect(check.fix?.length, check.name).toBeGreaterThan(0)
  })

  test('advises to send rows whole where large values are and nothing else could bring them', async () => {
    const [monolith] = databases
    const letters = async (): Promise<readonly (readonly [string, string])[]> =>
      named(await diagnose(), 'monolith.table.public.letters').map((c) => [c.status, c.summary])
    expect(await letters()).toEqual([['ok', '3 columns, key (id)']])
    await execute(
      monolith!.url,
      `INSERT INTO letters SELECT gen_random_uuid(), 'short', string_agg(md5(n::text), '') FROM generate_series(1, 500) n`,
    )
    expect(await letters()).toEqual([['warning', 'private columns may hold large values: secret']])
    await execute(monolith!.url, 'ALTER TABLE letters REPLICA IDENTITY FULL')
    expect(await letters()).toEqual([['ok', '3 columns, key (id)']])
  })

  test('says what provision would make, as warnings', async () => {
    const checks = await diagnose()
    for (const name of ['pipeline.migrations', 'service.shop.tables', 'kafka.topics']) {
      expect(only(checks, name)).toMatchObject({
        status: 'warning',
        fix: [expect.stringContaining('sluice provision') as string],
      })
    }
  })

  test('changes nothing', async () => {
    await diagnose()
    const client = await connect(targets.monolith, { applicationName: 'doctor test' })
    try {
      const { rows } = await client.query(
        `SELECT (SELECT count(*)::int FROM pg_publication) AS publications,
           (SELECT count(*)::int FROM pg_replication_slots WHERE database = current_database()) AS slots`,
      )
      expect(rows).toEqual([{ publications: 0, slots: 0 }])
    } finally {
      await client.end()
    }
  })

  test('a publication that leaves out a captured column, or filters rows that are not in the WAL whole, is told', async () => {
    const { publicationName } = lanesOf(system)[0]!
    const [monolith] = databases
    try {
      await execute(monolith!.url, `CREATE PUBLICATION ${publicationName} FOR TABLE good (id, title)`)
      expect(only(await diagnose(), 'monolith.publication')).toMatchObject({
        status: 'failed',
        code: 'SLU-2015',
        summary: expect.stringContaining('does not send public.good.body,') as string,
      })
      await execute(monolith!.url, `ALTER PUBLICATION ${publicationName} SET TABLE good WHERE (id IS NOT NULL)`)
      expect(only(await diagnose(), 'monolith.publication')).toMatchObject({
        status: 'failed',
        code: 'SLU-2014',
        fix: ['ALTER TABLE public.good REPLICA IDENTITY FULL;'],
      })
    } finally {
      await execute(monolith!.url, `DROP PUBLICATION IF EXISTS ${publicationName}`)
    }
  })

  test('a role without rights: each GRANT is named', async () => {
    const role = `sluice_doctor_${process.pid}`
    await execute(servers.monolith, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
    try {
      const url = new URL(databases[0]!.url)
      url.username = role
      url.password = 'x'
      const checks = await diagnose({ monolith: postgresTarget('monolith', url.toString()) })
      expect(only(checks, 'monolith.replication_privilege')).toMatchObject({ status: 'failed', code: 'SLU-2003' })
      expect(only(checks, 'monolith.publication')).toMatchObject({ status: 'failed', code: 'SLU-2003' })
      expect(named(checks, 'monolith.table.public.good')).toContainEqual(
        expect.objectContaining({ status: 'failed', fix: [`GRANT SELECT ON public.good TO "${role}";`] }),
      )
    } finally {
      await execute(servers.monolith, `DROP ROLE ${role}`)
    }
  })

  test('a server that is down, or refuses the password, hides nothing of the others', async () => {
    const url = new URL(servers.services)
    url.password = 'wrong'
    const checks = await diagnose(
      {
        pipeline: postgresTarget('pipeline', 'postgresql://u:hush@127.0.0.1:1/pipeline'),
        services: { shop: postgresTarget('shop', url.toString()) },
      },
      '127.0.0.1:1',
      'http://127.0.0.1:1',
    )
    expect(only(checks, 'pipeline.connection')).toMatchObject({ status: 'failed', code: 'SLU-2001' })
    expect(only(checks, 'service.shop.connection')).toMatchObject({ status: 'failed', code: 'SLU-2002' })
    expect(only(checks, 'kafka.connection')).toMatchObject({ status: 'failed', code: 'SLU-4001' })
    expect(only(checks, 'registry.connection')).toMatchObject({ status: 'failed', code: 'SLU-4201' })
    expect(only(checks, 'monolith.connection')).toMatchObject({ status: 'ok' })
    expect(JSON.stringify(checks)).not.toContain('hush')
  })

  test('a broker that makes topics by itself, or that does not', async () => {
    expect(only(await diagnose(), 'kafka.auto_create_topics')).toMatchObject({
      status: 'ok',
      summary: 'auto.create.topics.enable is false',
    })
    const own = await startServers({ kafka: { settings: { 'auto.create.topics.enable': 'true' } } })
    try {
      expect(only(await diagnose({}, own.kafka.url), 'kafka.auto_create_topics')).toMatchObject({
        status: 'failed',
        summary: 'auto.create.topics.enable is true on broker 1',
        fix: [expect.stringContaining('auto.create.topics.enable=false') as string, expect.any(String) as string],
      })
    } finally {
      await own.stop()
    }
  })

  test('a source whose wal_level is replica', async () => {
    const own = await startServers({ monolith: { settings: { wal_level: 'replica' } } })
    try {
      const checks = await diagnose({ monolith: postgresTarget('monolith', own.monolith.url) })
      expect(only(checks, 'monolith.wal_level')).toMatchObject({
        status: 'failed',
        code: 'SLU-2010',
        summary: 'wal_level is replica',
        fix: [expect.stringContaining('ALTER SYSTEM SET wal_level = logical') as string],
      })
    } finally {
      await own.stop()
    }
  })
})

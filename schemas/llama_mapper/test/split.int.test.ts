/** The monolith is split into three services while it is in use, as the document on this system says. */
import { type ServiceDatabases, runAsTenant } from '@sluice/database-manager'
import { connect } from '@sluice/postgres'
import { writtenTables } from '@sluice/system'
import { Random, type SampleRow } from '@sluice/workload'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plantedInDatabase, plantedInTopics } from '../../../test/privacy/planted-values.ts'
import demo from '../demo.ts'
import { storageRecordRow } from '../sample/sample-rows.ts'
import { openServiceDatabase } from '../service-databases.ts'
import system from '../system.ts'
import { insertRow } from './insert-row.ts'
import { type DatabaseName, LlamaPipeline } from './llama-pipeline.ts'
import { type Login, SERVICES, type ServiceName } from './logins.ts'

/** The document's tables, by service. */
const TABLES: Readonly<Record<ServiceName, readonly string[]>> = {
  orchestration: [
    'detectors',
    'detector_executions',
    'orchestration_requests',
    'policies',
    'policy_enforcements',
    'rate_limits',
    'service_registry',
    'async_jobs',
    'orchestration_audit',
  ],
  analysis: [
    'analysis_requests',
    'canonical_results',
    'pattern_analysis',
    'risk_scores',
    'compliance_mappings',
    'knowledge_base',
    'rag_insights',
    'quality_metrics',
    'quality_alerts',
    'weekly_evaluations',
    'ml_models',
    'analysis_pipelines',
    'tenant_analytics',
  ],
  mapper: [
    'mapping_requests',
    'mapping_results',
    'model_inferences',
    'cost_metrics',
    'training_jobs',
    'model_versions',
    'deployment_experiments',
    'taxonomies',
    'framework_configs',
    'validation_schemas',
    'feature_flags',
    'storage_artifacts',
  ],
}
const ROWS = 3_000
const PLANTED = 'PLANTED-what-somebody-typed-größe'
const tables = SERVICES.flatMap((service) => TABLES[service].map((table): [ServiceName, string] => [service, table]))

let llama: LlamaPipeline

beforeAll(async () => {
  llama = await LlamaPipeline.open()
  await demo.fill({ database: llama.clients.monolith, rows: ROWS, seed: 5 })
  await insertTenant('acme')
  await insertTenant('globex')
  for (const tenant of ['acme', 'globex']) await insertRecord(tenant, { raw_content: `${PLANTED} of ${tenant}` })
  await llama.provision()
  llama.start()
  await llama.caughtUp()
})
afterAll(() => llama[Symbol.asyncDispose]())

async function insertTenant(id: string, columns: SampleRow = {}): Promise<void> {
  const row = { id, name: id, plan: 'team', requests_per_minute: 60, burst: 5, retention_days: 30, ...columns }
  await insert('tenants', row)
}

async function insertRecord(tenant: string, columns: SampleRow = {}): Promise<void> {
  await insert('storage_records', { ...storageRecordRow(new Random(7), 1, tenant), ...columns })
}

async function insert(table: string, row: SampleRow): Promise<void> {
  await insertRow(llama.clients.monolith, table, row)
}

/** Runs as the application does: for one tenant, in one transaction that is rolled back. */
async function asTenant<Result>(
  service: ServiceName,
  tenant: string | null,
  work: (query: (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>) => Promise<Result>,
): Promise<Result> {
  return llama.as(service, 'app', async (client) => {
    await client.query('BEGIN')
    try {
      if (tenant !== null) await client.query(`SELECT set_config('app.current_tenant_id', $1, true)`, [tenant])
      return await work(async (text, values) => (await client.query<Record<string, unknown>>(text, [...(values ?? [])])).rows)
    } finally {
      await client.query('ROLLBACK')
    }
  })
}

async function one(service: DatabaseName, text: string): Promise<Record<string, unknown>> {
  return (await llama.clients[service].query<Record<string, unknown>>(text)).rows[0]!
}

async function expectVerified(): Promise<void> {
  const report = await llama.verify()
  const problems = report.services.flatMap(({ service, tables }) =>
    tables.filter((t) => t.status !== 'equal').map((t) => ({ service, table: t.table, status: t.status, reason: t.reason, t })),
  )
  expect(problems).toEqual([])
  expect(report.verdict).toBe('equal')
}

describe('the split', () => {
  test('the services have the tables of the document, 34 in all, and the projections fill each of them', () => {
    expect(tables).toHaveLength(34)
    for (const service of SERVICES) {
      const written = writtenTables(system.services[service]).map((t) => t.name)
      expect(TABLES[service].filter((name) => !written.includes(name))).toEqual([])
      expect(written.filter((name) => !TABLES[service].includes(name) && !name.startsWith('grouped_'))).toEqual([])
    }
  })

  test.each(tables)('%s.%s is not empty after the load', async (service, table) => {
    expect(Number((await one(service, `SELECT count(*) FROM ${table}`))['count'])).toBeGreaterThan(0)
  })

  test('everything is equal to what the monolith says, after the load and after changes', async () => {
    await expectVerified()
    const report = await demo.runWorkload({
      url: llama.superuserUrl('monolith'),
      seed: 3,
      transactions: 120,
      signal: new AbortController().signal,
    })
    expect(report.committed).toBeGreaterThan(60)
    await llama.caughtUp()
    await expectVerified()
  })

  test('every table has an index for its tenants, and every reference one for its columns', async () => {
    for (const service of SERVICES) {
      const { rows: unindexed } = await llama.clients[service].query(
        `SELECT c.relname AS name, a.attname AS column
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = k.conkey[1]
         WHERE c.relname = ANY ($1) AND (a.attname = 'tenant_id' OR k.oid IS NOT NULL)
           AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL)`,
        [TABLES[service]],
      )
      expect(unindexed).toEqual([])
    }
  })

  test('a second provision finds everything there', async () => {
    expect(new Set((await llama.provision()).map((step) => step.outcome))).toEqual(new Set(['present']))
  })
})

describe('derivations', () => {
  test('a request that has failed runs and others is partial; one with a run to come is running', async () => {
    const requestId = '11111111-1111-4111-8111-111111111111'
    const bare = { request_id: requestId, mapped_data: null, taxonomy: null, canonical_label: null, framework: null }
    const status = async (): Promise<unknown> => {
      await llama.caughtUp()
      return (await one('orchestration', `SELECT status FROM orchestration_requests WHERE request_id = '${requestId}'`))['status']
    }
    await insertRecord('acme', { ...bare, status: 'failed' })
    expect(await status()).toBe('failed')
    await insertRecord('acme', { ...bare, status: 'received', detector_type: 'bias' })
    expect(await status()).toBe('running')
    await llama.clients.monolith.query(
      `UPDATE storage_records SET status = 'mapped', mapped_data = '{}', taxonomy = 'pii', canonical_label = 'PII.Health'
       WHERE request_id = $1 AND status = 'received'`,
      [requestId],
    )
    expect(await status()).toBe('partial')
  })

  test('vectors arrive equal, and a similarity query finds the nearest documents of the tenant alone', async () => {
    const { rows: documents } = await llama.clients.monolith.query<{ id: string; tenant: string; embedding: number[] }>(
      'SELECT id, tenant_id AS tenant, embedding FROM framework_documents WHERE embedding IS NOT NULL ORDER BY id',
    )
    const [first] = documents
    const own = documents.filter((d) => d.tenant === first!.tenant)
    const nearest = own
      .map((d) => ({ id: d.id, distance: cosineDistance(d.embedding, first!.embedding) }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 5)
    const found = await asTenant('analysis', first!.tenant, (query) =>
      query(
        'SELECT id, embedding <=> $1::vector AS distance FROM knowledge_base WHERE embedding IS NOT NULL ORDER BY 2, 1 LIMIT 5',
        [JSON.stringify(first!.embedding)],
      ),
    )
    expect(found.map((f) => f['id'])).toEqual(nearest.map((n) => n.id))
    expect(Number(found[0]!['distance'])).toBeCloseTo(0, 5)
  })
})

function cosineDistance(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe('tenants do not see each other', () => {
  test.each(SERVICES)(
    'every table of %s with rows of tenants is under row level security, for its owner too',
    async (service) => {
      const { rows } = await llama.clients[service].query<{ name: string; guarded: boolean; policy: string | null }>(
        `SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS guarded,
         (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = c.oid AND polname = 'tenant_isolation_policy') AS policy
       FROM pg_class c WHERE c.relname = ANY ($1)`,
        [[...writtenTables(system.services[service]).map((t) => t.name), 'access_audit', 'data_access_log']],
      )
      expect(rows).toHaveLength(writtenTables(system.services[service]).length + 2)
      for (const row of rows) {
        expect(row).toEqual({
          name: row.name,
          guarded: true,
          policy: "(tenant_id = current_setting('app.current_tenant_id'::text, true))",
        })
      }
    },
  )

  test.each(tables)('%s.%s shows a tenant its own rows, and nobody any without one', async (service, table) => {
    const tenantsIn = (tenant: string | null): Promise<readonly unknown[]> =>
      asTenant(service, tenant, async (query) =>
        (await query(`SELECT DISTINCT tenant_id FROM ${table}`)).map((row) => row['tenant_id']),
      )
    expect(await tenantsIn(null)).toEqual([])
    expect(await tenantsIn('')).toEqual([])
    const { tenant } = await one(service, `SELECT min(tenant_id) AS tenant FROM ${table}`)
    expect(await tenantsIn(String(tenant))).toEqual([tenant])
  })

  test.each(tables)(
    'in %s.%s a tenant can neither add rows of another, nor give away its own, nor change or remove those of another',
    async (service, table) => {
      const tenants = (
        await llama.clients[service].query<{ id: string }>(`SELECT DISTINCT tenant_id AS id FROM ${table} ORDER BY 1`)
      ).rows
      const [own, other] = [tenants[0]!.id, tenants[1]!.id]
      const asOwn = (text: string): Promise<readonly unknown[]> => asTenant(service, own, (query) => query(text, [other]))
      const { columns } = await one(
        service,
        `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
       WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> 'tenant_id'`,
      )
      const copy = `INSERT INTO ${table} (tenant_id, ${String(columns)}) SELECT $1, ${String(columns)} FROM ${table} LIMIT 1`
      for (const change of [copy, `UPDATE ${table} SET tenant_id = $1`])
        await expect(asOwn(change)).rejects.toThrow(/row-level security/)
      // What is not seen is not met.
      for (const change of [`UPDATE ${table} SET tenant_id = tenant_id`, `DELETE FROM ${table}`])
        expect(await asOwn(`${change} WHERE tenant_id = $1 RETURNING tenant_id`)).toEqual([])
    },
  )

  test('a tenant can not insert, move, change or delete rows of another', async () => {
    const limits = `INSERT INTO rate_limits VALUES ($1, 1, 1, 1440)`
    const refused = /row-level security policy/
    await expect(asTenant('orchestration', 'acme', (query) => query(limits, ['initech']))).rejects.toThrow(refused)
    await expect(asTenant('orchestration', null, (query) => query(limits, ['initech']))).rejects.toThrow(refused)
    const move = `UPDATE rate_limits SET tenant_id = 'initech' RETURNING tenant_id`
    await expect(asTenant('orchestration', 'acme', (query) => query(move))).rejects.toThrow(refused)
    expect(
      await asTenant('orchestration', 'acme', (query) => query('UPDATE rate_limits SET burst = 0 RETURNING tenant_id')),
    ).toEqual([{ tenant_id: 'acme' }])
    const other = `DELETE FROM rate_limits WHERE tenant_id = 'globex' RETURNING tenant_id`
    expect(await asTenant('orchestration', 'acme', (query) => query(other))).toEqual([])
    expect(await asTenant('orchestration', 'globex', (query) => query(other))).toEqual([{ tenant_id: 'globex' }])
  })

  test('row security can not be switched off by whom it holds for', async () => {
    await expect(
      asTenant('analysis', 'acme', async (query) => {
        await query('SET LOCAL row_security = off')
        return query('SELECT FROM canonical_results')
      }),
    ).rejects.toThrow(/row-level security/)
  })
})

describe('the applications of the services', () => {
  const applications = {} as Record<ServiceName, ServiceDatabases<string>>

  beforeAll(async () => {
    for (const service of SERVICES) {
      const environment = { [`${service.toUpperCase()}_DATABASE_URL`]: llama.url(service, 'app') }
      applications[service] = await openServiceDatabase(service, environment)
    }
  })
  afterAll(() => Promise.all(SERVICES.map((service) => applications[service].close())))

  test.each(SERVICES)('%s has a pool of 5 to 20 connections, by the name that the document gives its URL', async (service) => {
    const database = applications[service].get(service)
    expect(database.pool).toMatchObject({ max: 20 })
    const open = `SELECT count(*)::integer AS n FROM pg_stat_activity WHERE application_name = 'llama ${service}'`
    expect(await one(service, open)).toEqual({ n: 5 })
    expect(await applications[service].healthCheck()).toMatchObject({ status: 'healthy', services: { [service]: true } })
  })

  test.each<[ServiceName, string]>([
    ['orchestration', 'rate_limits'],
    ['analysis', 'analysis_requests'],
    ['mapper', 'mapping_requests'],
  ])('what %s reads for a tenant is that tenant’s, and is recorded where the others do not see it', async (service, table) => {
    const database = applications[service].get(service)
    const tenants = (): Promise<readonly unknown[]> =>
      database.read(
        async (transaction) => {
          const { rows } = await transaction.query<{ tenant_id: string }>(`SELECT DISTINCT tenant_id FROM ${table}`)
          return rows.map((row) => row.tenant_id)
        },
        { purpose: 'whose rows are there' },
      )
    const read = await Promise.all(['acme', 'globex'].map((tenant) => runAsTenant(tenant, tenants)))
    expect(read).toEqual([['acme'], ['globex']])
    expect(await tenants()).toEqual([])
    const records = 'SELECT service, kind, purpose, tenant_id FROM data_access_log'
    const record = { service, kind: 'read', purpose: 'whose rows are there' }
    expect(await asTenant(service, 'acme', (query) => query(records))).toEqual([{ ...record, tenant_id: 'acme' }])
    expect((await llama.clients[service].query(`${records} ORDER BY tenant_id`)).rows).toEqual([
      { ...record, tenant_id: 'acme' },
      { ...record, tenant_id: 'globex' },
      { ...record, tenant_id: null },
    ])
  })
})

describe('roles have the least rights', () => {
  const DENIED = /permission denied|must be owner|must be able to/

  test.each(SERVICES)(
    'no role of %s is a superuser, passes row security by attribute, or makes roles and databases',
    async (service) => {
      const { rows } = await llama.clients[service].query(
        `SELECT rolname FROM pg_roles WHERE rolname LIKE $1 AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)`,
        [`${service}\\_%`],
      )
      expect(rows).toEqual([])
    },
  )

  /** What may not be done with one of a service's tables, and with what its groups are counted from. */
  const refused = (
    service: ServiceName,
    table: string,
    memory: string,
  ): readonly (readonly [service: ServiceName, login: Login, statement: string])[] => [
    [service, 'app', 'SELECT FROM processed_events'],
    [service, 'app', 'SELECT FROM parked_events'],
    [service, 'app', 'SELECT FROM service_migrations'],
    [service, 'app', `INSERT INTO ${memory} (id, tenant_id) SELECT id, tenant_id FROM ${memory}`],
    [
      service,
      'app',
      `INSERT INTO access_audit (tenant_id, login, role, application, operation, table_name, rows) VALUES ('acme', '', '', '', 'DELETE', '', 1)`,
    ],
    [service, 'app', 'DELETE FROM access_audit'],
    [service, 'app', 'DELETE FROM data_access_log'],
    [service, 'app', `UPDATE data_access_log SET purpose = ''`],
    [service, 'app', `TRUNCATE ${table}`],
    [service, 'app', 'CREATE TABLE mine (id integer)'],
    [service, 'app', `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`],
    [service, 'app', `DROP POLICY tenant_isolation_policy ON ${table}`],
    [service, 'app', `ALTER TABLE ${table} DISABLE TRIGGER ALL`],
    [service, 'app', 'SELECT remove_old_access_audit(now())'],
    [service, 'app', `SELECT clean_up_access_records('1 year')`],
    [service, 'app', `SET ROLE ${service}_projector`],
    [service, 'projector', `TRUNCATE ${table}`],
    [service, 'projector', 'CREATE TABLE mine (id integer)'],
    [service, 'projector', `DROP TABLE ${table}`],
    [service, 'projector', `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`],
    [service, 'projector', 'DELETE FROM access_audit'],
    [service, 'projector', 'SELECT FROM data_access_log'],
    [service, 'projector', 'DELETE FROM service_migrations'],
    [service, 'projector', 'CREATE ROLE friend'],
    [service, 'verifier', `INSERT INTO ${table} SELECT * FROM ${table}`],
    [service, 'verifier', `UPDATE ${table} SET tenant_id = 'acme'`],
    [service, 'verifier', `DELETE FROM ${table}`],
    [service, 'verifier', 'DELETE FROM processed_events'],
    [service, 'verifier', 'UPDATE projector_positions SET applied_position = 0'],
    [service, 'verifier', 'CREATE TABLE mine (id integer)'],
  ]
  test.each([
    ...refused('orchestration', 'policies', 'grouped_executions'),
    ...refused('analysis', 'quality_alerts', 'grouped_records'),
    ...refused('mapper', 'taxonomies', 'grouped_records'),
  ])('%s: %s may not: %s', async (service, login, statement) => {
    await expect(llama.as(service, login, (client) => client.query(statement))).rejects.toThrow(DENIED)
  })

  test.each(SERVICES)('the credentials of %s open its own database and no other', async (service) => {
    for (const login of ['app', 'projector', 'verifier'] as const) {
      await llama.as(service, login, (client) => client.query('SELECT'))
      const other = SERVICES.find((name) => name !== service)!
      await expect(connect(llama.target(service, login, other), { applicationName: 'test' })).rejects.toMatchObject({
        code: 'POSTGRES_PRIVILEGE_MISSING',
      })
    }
  })

  test('a projector that passes row security nowhere is refused at its start, with the policy that it needs', async () => {
    await llama.clients.mapper.query('ALTER POLICY projector_policy ON taxonomies TO mapper_app')
    try {
      await expect(llama.projectorEnds('mapper')).rejects.toMatchObject({
        number: 'SLU-5004',
        why: expect.stringContaining('public.taxonomies (SELECT, INSERT, UPDATE, DELETE)') as string,
      })
    } finally {
      await llama.clients.mapper.query('ALTER POLICY projector_policy ON taxonomies TO mapper_projector')
    }
  })
})

describe('data privacy', () => {
  test('raw content is in no service, store or topic; its hash is, the same in every service', async () => {
    for (const name of ['pipeline', ...SERVICES] as const)
      expect(await plantedInDatabase(llama.clients[name], [PLANTED])).toEqual([])
    expect(await plantedInTopics(llama.brokers, llama.topics, [PLANTED])).toEqual([])
    const { id } = await one(
      'monolith',
      `SELECT id FROM storage_records WHERE raw_content LIKE '${PLANTED}%' AND tenant_id = 'acme'`,
    )
    const hashes = await Promise.all([
      one('orchestration', `SELECT content_hash FROM detector_executions WHERE id = '${String(id)}'`),
      one('analysis', `SELECT content_hash FROM analysis_requests WHERE id = '${String(id)}'`),
      one('mapper', `SELECT content_hash FROM mapping_requests WHERE id = '${String(id)}'`),
    ])
    expect(hashes[0]['content_hash']).toMatch(/^[0-9a-f]{64}$/)
    expect(new Set(hashes.map((h) => h['content_hash'])).size).toBe(1)
  })

  test('a sensitive field is encrypted for its person, and a service without a grant holds what it can not read', async () => {
    const { email } = await one('monolith', 'SELECT min(actor_email) AS email FROM audit_log')
    for (const name of ['pipeline', ...SERVICES] as const)
      expect(await plantedInDatabase(llama.clients[name], [String(email)])).toEqual([])
    const { sealed } = await one(
      'orchestration',
      `SELECT bool_and(actor_email LIKE 'sluice:sealed:1:%') AS sealed FROM orchestration_audit`,
    )
    expect(sealed).toBe(true)
  })

  test('a person is erased: who was granted the address has it no more, nobody can open it, and everything is equal', async () => {
    const actor = 'actor-who-leaves'
    const email = 'PLANTED-who.leaves@example.com'
    const later = 'PLANTED-later@example.com'
    const record = { tenant_id: 'acme', area: 'orchestration', actor_id: actor, actor_email: email, action: 'planted' }
    const addresses = async (client: pg.Client, table = 'orchestration_audit'): Promise<readonly string[]> => {
      const found = `SELECT actor_email AS email FROM ${table} WHERE actor_id = $1 ORDER BY id`
      return (await client.query<{ email: string }>(found, [actor])).rows.map(({ email: address }) => address)
    }
    await insert('audit_log', record)
    const desk = await llama.startDesk()
    await llama.caughtUp()
    expect(await addresses(desk)).toEqual([email])
    const [sealed] = await addresses(llama.clients.orchestration)
    expect(sealed).toMatch(/^sluice:sealed:1:/)

    const report = await llama.erase(actor)
    expect(report).toMatchObject({ key: 'destroyed' })
    expect(report.services.filter(({ columns }) => columns.length > 0)).toEqual([
      { service: 'desk', columns: [{ column: 'public.orchestration_audit.actor_email', values: 1 }] },
    ])
    await insert('audit_log', { ...record, actor_email: later })
    await llama.caughtUp()
    expect(await addresses(desk)).toEqual(['[erased]', '[erased]'])
    // What was sealed stays as it is, without a key; what came after it has none from the start.
    const erased = `sluice:erased:1:${report.subjectId}`
    expect(await addresses(llama.clients.orchestration)).toEqual([sealed, erased])
    expect(await one('pipeline', `SELECT wrapped_key FROM subject_keys WHERE subject_id = '${report.subjectId}'`)).toEqual({
      wrapped_key: null,
    })
    for (const name of ['pipeline', ...SERVICES] as const)
      expect(await plantedInDatabase(llama.clients[name], [email, later])).toEqual([])
    expect(await plantedInDatabase(desk, [email, later])).toEqual([])
    expect(await plantedInTopics(llama.brokers, llama.topics, [email, later])).toEqual([])
    // The monolith's own rows are its applications' to erase.
    expect(await addresses(llama.clients.monolith, 'audit_log')).toEqual([email, later])
    await expectVerified()
  })

  test('who writes is recorded by the database: login, operation, table, tenant, number of rows, and no value', async () => {
    await llama.clients.mapper.query('TRUNCATE access_audit')
    const written = await llama.as('mapper', 'app', async (client) => {
      await client.query('BEGIN')
      await client.query(`SET LOCAL app.current_tenant_id = 'acme'`)
      await client.query(
        `INSERT INTO feature_flags SELECT gen_random_uuid(), 'acme', 'flag ' || n, true, 10, now() FROM generate_series(1, 3) n`,
      )
      await client.query(`UPDATE feature_flags SET is_enabled = false WHERE name IN ('flag 1', 'flag 2')`)
      await client.query(`DELETE FROM feature_flags WHERE name LIKE 'flag _'`)
      const { rows } = await client.query('SELECT tenant_id, login, operation, table_name, rows FROM access_audit ORDER BY id')
      await client.query('COMMIT')
      return rows as unknown[]
    })
    const record = { tenant_id: 'acme', login: 'mapper_app_login', table_name: 'feature_flags' }
    expect(written).toEqual([
      { ...record, operation: 'INSERT', rows: '3' },
      { ...record, operation: 'UPDATE', rows: '2' },
      { ...record, operation: 'DELETE', rows: '3' },
    ])
    expect(await asTenant('mapper', 'globex', (query) => query('SELECT FROM access_audit'))).toEqual([])
  })

  test('a superuser who writes is recorded too; the projector, whose writes are in the event store, is not', async () => {
    await llama.clients.mapper.query('TRUNCATE access_audit')
    await insertRecord('acme')
    await llama.caughtUp()
    expect(await one('mapper', 'SELECT count(*)::integer AS n FROM access_audit')).toEqual({ n: 0 })
    await llama.clients.mapper.query(`UPDATE feature_flags SET rollout_percent = rollout_percent WHERE name = 'none'`)
    expect(await one('mapper', 'SELECT count(*)::integer AS n FROM access_audit')).toEqual({ n: 0 })
    await llama.clients.mapper.query('BEGIN')
    await llama.clients.mapper.query('DELETE FROM taxonomies')
    const { found } = await one(
      'mapper',
      `SELECT bool_and(login = session_user AND operation = 'DELETE') AS found FROM access_audit`,
    )
    await llama.clients.mapper.query('ROLLBACK')
    expect(found).toBe(true)
  })

  test('old audit records are removed; newer ones stay', async () => {
    await llama.clients.mapper.query(
      `INSERT INTO access_audit (occurred_at, tenant_id, login, role, application, operation, table_name, rows)
       SELECT now() - n * interval '1 day', 'acme', 'l', 'r', 'a', 'INSERT', 'taxonomies', 1 FROM generate_series(1, 10) n`,
    )
    expect(await one('mapper', `SELECT remove_old_access_audit(now() - interval '5 days', 3) AS n`)).toEqual({ n: '3' })
    expect(await one('mapper', `SELECT remove_old_access_audit(now() - interval '5 days') AS n`)).toEqual({ n: '3' })
    expect(
      await one('mapper', `SELECT count(*)::integer AS n FROM access_audit WHERE table_name = 'taxonomies' AND login = 'l'`),
    ).toEqual({ n: 4 })
  })
})

describe('retention', () => {
  test('what is older than its tenant keeps it goes, here and in every service; what it does not remove stays', async () => {
    await insertTenant('short', { retention_days: 10 })
    await insertTenant('held', { retention_days: 10, is_on_legal_hold: true })
    const asOf = '2031-01-01T00:00:00Z'
    const old = '2030-12-01T00:00:00Z'
    const young = '2030-12-30T00:00:00Z'
    for (const tenant of ['short', 'held']) {
      await insertRecord(tenant, { created_at: old, raw_content: 'old' })
      await insertRecord(tenant, { created_at: young, raw_content: 'young' })
      await insert('quality_measurements', {
        tenant_id: tenant,
        metric: 'm',
        value: 1,
        threshold: 0,
        sample_size: 1,
        measured_at: old,
      })
      await insert('audit_log', {
        tenant_id: tenant,
        area: 'orchestration',
        actor_id: 'actor-1',
        actor_email: 'a@example.com',
        action: 'a',
        occurred_at: old,
      })
    }
    await llama.caughtUp()
    // The sample's own rows are of 2026, kept for some thousand days.
    await llama.clients.monolith.query(`UPDATE tenants SET retention_days = 100000 WHERE id NOT IN ('short', 'held')`)
    expect(await one('monolith', `SELECT apply_retention('${asOf}') AS n`)).toEqual({ n: '1' })
    expect(await one('monolith', `SELECT apply_retention('${asOf}') AS n`)).toEqual({ n: '0' })
    await llama.caughtUp()
    const count = async (service: ServiceName, table: string, tenant: string, column = 'count(*)::integer'): Promise<unknown> =>
      (await one(service, `SELECT ${column} AS n FROM ${table} WHERE tenant_id = '${tenant}'`))['n']
    expect(await count('orchestration', 'detector_executions', 'short')).toBe(1)
    expect(await count('analysis', 'analysis_requests', 'short')).toBe(1)
    expect(await count('mapper', 'mapping_requests', 'short')).toBe(1)
    expect(await count('orchestration', 'detectors', 'short', 'sum(executions)::integer')).toBe(1)
    // Legal hold, and everything that is no record of content.
    expect(await count('orchestration', 'detector_executions', 'held')).toBe(2)
    expect(await count('analysis', 'quality_metrics', 'short')).toBe(1)
    expect(await count('orchestration', 'orchestration_audit', 'short')).toBe(1)
    // The history: events of the removed row are in the store until its own retention drops them, without its content.
    const { n } = await one(
      'pipeline',
      `SELECT count(*)::integer AS n FROM event_store WHERE aggregate_type = 'StorageRecord' AND event_type = 'StorageRecordCreated'
         AND event_data::text LIKE '%"short"%'`,
    )
    expect(n).toBe(2)
    await expectVerified()
  })
})

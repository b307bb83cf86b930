/** Statements and transactions: bounded in time, whole or not at all, and no trace of one in the next. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, test } from 'vitest'
import { runAsTenant, type Transaction } from '@sluice/database-manager'
import { writeOutboxEvent } from '@sluice/outbox'
import { type ServiceFixture, metric, openServices } from './service-fixture.ts'

const names = async (services: ServiceFixture): Promise<unknown> =>
  (await services.owner.query<{ name: string }>('SELECT name FROM samples ORDER BY id')).rows.map((row) => row.name)

const transactions = (services: ServiceFixture, outcome: string) =>
  metric(services.metrics, `sluice_service_transactions_total{service="samples",server="primary",outcome="${outcome}"}`)

test('work that resolves is committed, work that rejects is rolled back, and both are counted', async () => {
  await using services = await openServices()
  const samples = services.databases.get('samples')
  await samples.transaction((t) => t.query('INSERT INTO samples VALUES (1, $1)', ['kept']))
  const fault = new Error('the application’s own')
  await expect(
    samples.transaction(async (t) => {
      await t.query('INSERT INTO samples VALUES (2, $1)', ['lost'])
      throw fault
    }),
  ).rejects.toBe(fault)
  expect(await names(services)).toEqual(['kept'])
  expect([await transactions(services, 'committed'), await transactions(services, 'rolled_back')]).toEqual([1, 1])
})

test('what PostgreSQL refuses comes as it is, and the connection is used again', async () => {
  await using services = await openServices({ samples: { pool: { min: 1, max: 1 } } })
  const samples = services.databases.get('samples')
  const pid = async (): Promise<unknown> => (await samples.query('SELECT pg_backend_pid() AS pid')).rows[0]!['pid']
  const before = await pid()
  await samples.query(`INSERT INTO samples VALUES (1, 'one')`)
  await expect(samples.query(`INSERT INTO samples VALUES (1, 'again')`)).rejects.toMatchObject({ code: '23505' })
  await expect(samples.query(`INSERT INTO samples VALUES (1, 'again')`)).rejects.toBeInstanceOf(pg.DatabaseError)
  expect(await pid()).toBe(before)
})

test('work that swallows the error of a statement is told that nothing was committed', async () => {
  await using services = await openServices()
  const swallowing = services.databases.get('samples').transaction(async (t) => {
    await t.query(`INSERT INTO samples VALUES (1, 'one')`)
    await t.query('SELECT nonsense').catch(() => undefined)
  })
  await expect(swallowing).rejects.toMatchObject({ code: 'TRANSACTION_MISUSED' })
  expect(await names(services)).toEqual([])
})

test('after its end a transaction runs no statement: the connection may be somebody else’s', async () => {
  await using services = await openServices()
  let kept: Transaction | undefined
  await services.databases.get('samples').transaction(async (t) => {
    kept = t
  })
  await expect(kept?.query('SELECT 1')).rejects.toMatchObject({ code: 'TRANSACTION_MISUSED' })
})

test('a COMMIT that gets no answer is told as what it is: nobody knows whether it took effect', async () => {
  await using services = await openServices()
  await services.owner.query(`CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON samples INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION break_off()`)
  const breaking = services.databases.get('samples').transaction((t) => t.query(`INSERT INTO samples VALUES (1, 'one')`))
  await expect(breaking).rejects.toMatchObject({ code: 'COMMIT_UNANSWERED' })
  expect([await transactions(services, 'rolled_back'), await transactions(services, 'unknown')]).toEqual([0, 1])
})

test('a COMMIT that PostgreSQL refuses comes as it is', async () => {
  await using services = await openServices()
  await services.owner.query('CREATE TABLE labels (sample integer REFERENCES samples (id) INITIALLY DEFERRED)')
  const refused = services.databases.get('samples').transaction((t) => t.query('INSERT INTO labels VALUES (7)'))
  await expect(refused).rejects.toMatchObject({ code: '23503' })
  expect(await transactions(services, 'rolled_back')).toBe(1)
})

test('a statement that takes too long is ended by PostgreSQL, and told with the limit', async () => {
  await using services = await openServices({ samples: { statementTimeoutMs: 1_000, pool: { min: 1, max: 1 } } })
  const samples = services.databases.get('samples')
  await expect(samples.query('SELECT pg_sleep(5)')).rejects.toMatchObject({
    code: 'QUERY_TIMED_OUT',
    why: 'primary ended it after 1000 ms',
  })
  const timeouts = 'sluice_service_query_errors_total{service="samples",server="primary",kind="timeout"}'
  expect(await metric(services.metrics, timeouts)).toBe(1)
  expect((await samples.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('a transaction that does nothing for too long is ended by PostgreSQL, and its connection does not come back', async () => {
  await using services = await openServices({ samples: { idleTransactionTimeoutMs: 200, pool: { min: 0, max: 1 } } })
  const samples = services.databases.get('samples')
  const idle = samples.transaction(async (t) => {
    const { rows } = await t.query<{ pid: number }>(`SELECT pg_backend_pid() AS pid FROM (VALUES (1)) v`)
    const isGone = async (): Promise<boolean> =>
      (await services.owner.query('SELECT FROM pg_stat_activity WHERE pid = $1', [rows[0]!.pid])).rowCount === 0
    await expect.poll(isGone, { timeout: 10_000 }).toBe(true)
    await t.query(`INSERT INTO samples VALUES (1, 'late')`)
  })
  await expect(idle).rejects.toMatchObject({ code: 'POSTGRES_CONNECTION_LOST' })
  expect((await samples.query('SELECT FROM samples')).rowCount).toBe(0)
})

test('statements are prepared once a connection, and go on when a migration changed what they return', async () => {
  await using services = await openServices({ samples: { pool: { min: 1, max: 1 } } })
  const samples = services.databases.get('samples')
  const select = 'SELECT * FROM samples WHERE id = $1'
  const prepared = async (): Promise<unknown> =>
    (
      await samples.query(
        'SELECT calls.n::int FROM (SELECT generic_plans + custom_plans AS n FROM pg_prepared_statements WHERE statement = $1) calls',
        [select],
      )
    ).rows
  await samples.query(`INSERT INTO samples VALUES (1, 'one')`)
  await samples.query(select, [1])
  await samples.query(select, [1])
  expect(await prepared()).toEqual([{ n: 2 }])
  await services.owner.query('ALTER TABLE samples ADD COLUMN note text')
  expect((await samples.query(select, [1])).rows).toEqual([{ id: 1, name: 'one', note: null }])
})

test('an event of the application is written in its transaction by the same handle', async () => {
  await using services = await openServices({
    tables: `CREATE TABLE samples (id integer PRIMARY KEY, name text NOT NULL);
      CREATE TABLE outbox (id uuid PRIMARY KEY, aggregate_type text, aggregate_id text, event_type text, payload jsonb,
        correlation_id text, causation_id text, user_id text, traceparent text)`,
  })
  const event = { aggregateType: 'Sample', aggregateId: '1', eventType: 'SampleRegistered', payload: { id: 1 } }
  await services.databases.get('samples').transaction(async (t) => {
    await t.query(`INSERT INTO samples VALUES (1, 'one')`)
    await writeOutboxEvent(t, { ...event, id: randomUUID() })
  })
  expect((await services.owner.query('SELECT event_type FROM outbox')).rows).toEqual([{ event_type: 'SampleRegistered' }])
})

test('a transaction that may only read writes nothing', async () => {
  await using services = await openServices()
  const samples = services.databases.get('samples')
  const writing = samples.read((t) => t.query(`INSERT INTO samples VALUES (1, 'one')`))
  await expect(writing).rejects.toMatchObject({ code: 'WRITE_IN_READ' })
  expect(await samples.read(async (t) => (await t.query('SELECT count(*)::int AS n FROM samples')).rows)).toEqual([{ n: 0 }])
})

const TENANT_TABLES = `
  CREATE TABLE samples (id integer PRIMARY KEY, tenant_id text NOT NULL, name text NOT NULL);
  ALTER TABLE samples ENABLE ROW LEVEL SECURITY;
  CREATE POLICY tenant_isolation_policy ON samples FOR ALL USING (tenant_id = current_setting('app.current_tenant_id', true));
  INSERT INTO samples VALUES (1, 'a', 'of a'), (2, 'b', 'of b')`

/** A role that owns nothing and passes no policy: PostgreSQL's superuser would. */
async function openAsTenantRole(pooler: 'none' | 'transaction') {
  const role = `tenant_${randomUUID().replaceAll('-', '')}`
  const services = await openServices({
    tables: `${TENANT_TABLES}; CREATE ROLE ${role} LOGIN PASSWORD 'tenant'; GRANT SELECT, INSERT, UPDATE, DELETE ON samples TO ${role}`,
  })
  const url = new URL(services.urls.samples)
  url.username = role
  url.password = 'tenant'
  const { ServiceDatabases } = await import('@sluice/database-manager')
  const databases = await ServiceDatabases.open({
    applicationName: 'tenant test',
    services: { samples: { url: url.toString(), pooler, pool: { min: 1, max: 1 } } },
  })
  return {
    samples: databases.get('samples'),
    async [Symbol.asyncDispose]() {
      await databases.close()
      await services.owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      await services[Symbol.asyncDispose]()
    },
  }
}

test.each(['none', 'transaction'] as const)(
  'a tenant sees its own rows, and nothing of it is left on the connection (pooler: %s)',
  async (pooler) => {
    await using tenants = await openAsTenantRole(pooler)
    const { samples } = tenants
    const seen = async (): Promise<unknown> =>
      (await samples.query<{ name: string }>('SELECT name FROM samples')).rows.map((r) => r.name)
    expect(await runAsTenant('a', seen)).toEqual(['of a'])
    expect(await runAsTenant('b', seen)).toEqual(['of b'])
    // The same connection, and no tenant.
    expect(await seen()).toEqual([])
    expect(await runAsTenant('a', () => samples.read(async (t) => (await t.query('SELECT id FROM samples')).rows))).toEqual([
      { id: 1 },
    ])
    const crossing = runAsTenant('a', () => samples.query(`INSERT INTO samples VALUES (3, 'b', 'not mine')`))
    await expect(crossing).rejects.toMatchObject({ code: '42501' })
    const stealing = await runAsTenant('a', () => samples.query(`UPDATE samples SET name = 'stolen' WHERE id = 2`))
    expect(stealing.rowCount).toBe(0)
    // Side by side, each in its own context.
    const both = await Promise.all(['a', 'b', 'a', 'b'].map((tenant) => runAsTenant(tenant, seen)))
    expect(both).toEqual([['of a'], ['of b'], ['of a'], ['of b']])
    expect(() => runAsTenant('', seen)).toThrow(RangeError)
  },
)

test('behind a pooler a session has no settings and no names, and each transaction brings its limits along', async () => {
  await using services = await openServices({
    samples: { pooler: 'transaction', statementTimeoutMs: 1_000, pool: { min: 0, max: 1 } },
  })
  const samples = services.databases.get('samples')
  const { rows } = await samples.query(
    `SELECT name, setting, reset_val FROM pg_settings WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout') ORDER BY name`,
  )
  expect(rows).toEqual([
    { name: 'idle_in_transaction_session_timeout', setting: '60000', reset_val: '0' },
    { name: 'statement_timeout', setting: '1000', reset_val: '0' },
  ])
  expect((await samples.query('SELECT FROM pg_prepared_statements')).rowCount).toBe(0)
  await expect(samples.query('SELECT pg_sleep(5)')).rejects.toMatchObject({ code: 'QUERY_TIMED_OUT' })
})

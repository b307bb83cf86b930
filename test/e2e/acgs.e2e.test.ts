/**
 * ACGS on real servers, its services moved in the document's order: two, two at once, three at once, and the last one, each while the
 * monolith is written to. References, hash chains and rights are checked by plain SQL. The integrity service has a server of its own, with
 * a read replica; applications and the projector of the auth service come by a pgbouncer.
 */
import demo from '@sluice/acgs/demo'
import { ServiceDatabases } from '@sluice/database-manager'
import {
  type Pgbouncer,
  type PostgresReplica,
  type RunningServers,
  startPgbouncer,
  startPostgresReplica,
  startServers,
} from '@sluice/infra'
import { createDatabaseMetrics } from '@sluice/telemetry'
import pg, { type Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { catchingUp } from '../harness/caught-up.ts'
import { type SluiceProcess, runSluice } from '../harness/sluice-process.ts'
import { type TestServers, startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const LIMIT_MS = 240_000
/** The document's: a service is whole again so long after its database is back. */
const RECOVERY_LIMIT_MS = 300_000
const WAVES = [
  ['auth_service', 'integrity_service'],
  ['constitutional_ai', 'formal_verification'],
  ['governance_synthesis', 'policy_governance', 'executive_council'],
  ['dgm_service'],
] as const
type Service = (typeof WAVES)[number][number]

/** Columns that refer to rows of another service, and where these are. */
const REFERENCES: readonly (readonly [Service, table: string, column: string, owner: Service, owned: string])[] = [
  ['auth_service', 'tokens', 'audit_log_id', 'integrity_service', 'audit_logs'],
  ['integrity_service', 'audit_logs', 'user_id', 'auth_service', 'users'],
  ['integrity_service', 'audit_logs', 'session_id', 'auth_service', 'sessions'],
  ['integrity_service', 'integrity_checks', 'checked_by', 'auth_service', 'users'],
  ['constitutional_ai', 'validations', 'session_id', 'auth_service', 'sessions'],
  ['constitutional_ai', 'compliance_checks', 'audit_log_id', 'integrity_service', 'audit_logs'],
  ['formal_verification', 'proof_results', 'audit_log_id', 'integrity_service', 'audit_logs'],
  ['governance_synthesis', 'policies', 'author_id', 'auth_service', 'users'],
  ['governance_synthesis', 'synthesis_results', 'audit_log_id', 'integrity_service', 'audit_logs'],
  ['governance_synthesis', 'llm_interactions', 'user_id', 'auth_service', 'users'],
  ['policy_governance', 'governance_rules', 'policy_id', 'governance_synthesis', 'policies'],
  ['policy_governance', 'governance_rules', 'created_by', 'auth_service', 'users'],
  ['policy_governance', 'enforcement_logs', 'user_id', 'auth_service', 'users'],
  ['executive_council', 'council_members', 'user_id', 'auth_service', 'users'],
  ['executive_council', 'decisions', 'policy_id', 'governance_synthesis', 'policies'],
  ['dgm_service', 'improvements', 'proposed_by', 'auth_service', 'users'],
  ['dgm_service', 'evolution_logs', 'audit_log_id', 'integrity_service', 'audit_logs'],
]
/** Of each chain its entries, and the links that do not hold: a hash that is not of the content, or not of the entry before. */
const CHAINS = `
  SELECT l.chain_id, count(*)::integer AS entries, count(*) FILTER (WHERE
    l.entry_hash IS DISTINCT FROM sha256(convert_to(jsonb_build_array(l.chain_id, l.sequence_number, l.user_id, l.session_id, l.service,
      l.action, l.entity_type, l.entity_id, l.details, extract(epoch FROM l.occurred_at), encode(l.previous_hash, 'hex'))::text, 'UTF8'))
    OR l.previous_hash IS DISTINCT FROM before.entry_hash)::integer AS broken,
    bool_and(l.sequence_number = l.place) AND max(l.sequence_number) = max(c.entries)
      AND bool_or(l.entry_hash = c.head_hash AND l.sequence_number = c.entries) AS reaches_head
  FROM (SELECT *, row_number() OVER (PARTITION BY chain_id ORDER BY sequence_number) AS place FROM audit_logs) AS l
  JOIN hash_chains c ON c.id = l.chain_id
  LEFT JOIN audit_logs before ON before.chain_id = l.chain_id AND before.sequence_number = l.sequence_number - 1
  GROUP BY l.chain_id`

let servers: TestServers
let system: TestSystem
/** Holds the database of the integrity service alone. */
let own: RunningServers
let replica: PostgresReplica
let pgbouncer: Pgbouncer
const projectors = new Map<Service, SluiceProcess>()
/** What was checked when each wave had arrived: rows that refer to another service, and those whose row is not there. */
const checked = new Map<string, { readonly rows: number; readonly orphans: number }>()

beforeAll(async () => {
  ;[servers, own] = await Promise.all([startTestServers(), startServers({ services: true, useContainers: false })])
  system = await startTestSystem(servers, new URL('../../schemas/acgs/system.ts', import.meta.url), {
    serviceServers: { integrity_service: own.services.url },
  })
  replica = await startPostgresReplica(own.services)
  pgbouncer = await startPgbouncer(system.url('auth_service'), { poolSize: 20, clientsMax: 100 })
  await demo.fill({ database: system.url('monolith'), rows: 2_000 })
  for (const name of ['reader', 'relay']) system.start(name, ['run', name])
  const moved: Service[] = []
  for (const [i, wave] of WAVES.entries()) {
    for (const service of wave) startProjector(service)
    moved.push(...wave)
    const { signal } = new AbortController()
    await demo.runWorkload({ url: system.url('monolith'), seed: i + 1, transactions: 60, signal })
    await waitUntil(`${moved.join(', ')} to have everything`, LIMIT_MS, catchingUp(system, moved))
    for (const reference of REFERENCES.filter(([from, , , owner]) => moved.includes(from) && moved.includes(owner))) {
      checked.set(`wave ${i + 1}: ${reference.join('.')}`, await countOrphans(reference))
    }
  }
})
afterAll(async () => {
  await system.stopAll()
  await pgbouncer.remove()
  await replica.remove()
  await system[Symbol.asyncDispose]()
  await own.stop()
  await servers[Symbol.asyncDispose]()
})

function startProjector(service: Service): void {
  const env: Record<string, string> = service === 'auth_service' ? { SLUICE_AUTH_SERVICE_URL: pgbouncer.url } : {}
  projectors.set(service, system.start(`projector ${service}`, ['run', 'projector', service], env))
}

interface Copy {
  readonly service: string
  readonly table: string
  readonly owner: string
  readonly lagEvents: string
  readonly lagSeconds: number
}

/** As `sluice status` tells them. */
async function copies(): Promise<readonly Copy[]> {
  const { code, stdout, stderr } = await runSluice(['status', '--json'], system.env)
  expect(code, stderr).toBe(0)
  return (JSON.parse(stdout) as { readonly result: { readonly copies: readonly Copy[] } }).result.copies
}

/** The owner's keys are asked in its database, and looked up in the other one. */
async function countOrphans([from, table, column, owner, owned]: (typeof REFERENCES)[number]): Promise<{
  readonly rows: number
  readonly orphans: number
}> {
  const keys = await (await system.client(owner)).query<{ id: string }>(`SELECT id::text FROM ${owned}`)
  const { rows } = await (
    await system.client(from)
  ).query<{ rows: number; orphans: number }>(
    `SELECT count(*)::integer AS rows, count(*) FILTER (WHERE k.id IS NULL)::integer AS orphans
     FROM ${table} r LEFT JOIN unnest($1::text[]) AS k (id) ON k.id = r.${column}::text WHERE r.${column} IS NOT NULL`,
    [keys.rows.map((row) => row.id)],
  )
  return rows[0]!
}

/** Runs work in a transaction that is always undone. */
async function undone<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    return await work()
  } finally {
    await client.query('ROLLBACK')
  }
}

test('references between services that were moved two and three at once lead to rows of the other service', () => {
  // Of the 17 some are checked again after each later wave.
  expect(new Set([...checked.keys()].map((name) => name.replace(/^wave \d: /, ''))).size).toBe(REFERENCES.length)
  expect([...checked].filter(([, { rows, orphans }]) => rows === 0 || orphans > 0)).toEqual([])
})

test('every service is 100 percent consistent, in rows and in references', async () => {
  const { code, stdout, stderr } = await runSluice(['verify', '--json'], system.env)
  expect(code, stderr).toBe(0)
  const { result } = JSON.parse(stdout) as {
    readonly result: {
      readonly services: readonly { readonly service: string; readonly consistency: { readonly percent: number } }[]
    }
  }
  expect(result.services.map(({ service, consistency }) => [service, consistency.percent]).sort()).toEqual(
    WAVES.flat()
      .map((service) => [service, 100])
      .sort(),
  )
})

test('the hash chains of the integrity service are whole, and equal to those of the monolith', async () => {
  const service = await system.client('integrity_service')
  const { rows: chains } = await service.query<{ entries: number; broken: number; reaches_head: boolean }>(CHAINS)
  expect(chains.reduce((sum, { entries }) => sum + entries, 0)).toBeGreaterThan(200)
  expect(chains.filter(({ broken, reaches_head }) => broken > 0 || !reaches_head)).toEqual([])
  const hashes = (name: string): string => `SELECT id::text, encode(entry_hash, 'hex') AS hash FROM ${name} ORDER BY id`
  const inMonolith = await (await system.client('monolith')).query(hashes('integrity_audit_logs'))
  expect((await service.query(hashes('audit_logs'))).rows).toEqual(inMonolith.rows)
})

test('a changed entry breaks its chain: the database refuses it, and the chain shows it where that is switched off', async () => {
  const service = await system.client('integrity_service')
  const change = `UPDATE audit_logs SET action = action || '!' WHERE id = (SELECT min(id) FROM audit_logs)`
  await undone(service, () => expect(service.query(change)).rejects.toThrow('rows of audit_logs are never changed or removed'))
  // Without the trigger the constraint on the content stands in the way.
  await undone(service, async () => {
    await service.query('ALTER TABLE audit_logs DISABLE TRIGGER USER')
    await expect(service.query(change)).rejects.toThrow('audit_logs_content')
  })
  await undone(service, async () => {
    await service.query('ALTER TABLE audit_logs DISABLE TRIGGER USER')
    await service.query('ALTER TABLE audit_logs DROP CONSTRAINT audit_logs_content')
    await service.query(change)
    const { rows } = await service.query<{ broken: number }>(CHAINS)
    expect(rows.filter(({ broken }) => broken > 0)).toHaveLength(1)
  })
})

test.each([
  ['monolith', 'integrity_audit_logs'],
  ['integrity_service', 'audit_logs'],
  ['monolith', 'governance_enforcement_logs'],
  ['policy_governance', 'enforcement_logs'],
  ['monolith', 'dgm_evolution_logs'],
  ['dgm_service', 'evolution_logs'],
])('%s refuses to remove rows of %s', async (place, table) => {
  const client = await system.client(place)
  await undone(client, () => expect(client.query(`DELETE FROM ${table}`)).rejects.toThrow('are never changed or removed'))
  await undone(client, () => expect(client.query(`TRUNCATE ${table} CASCADE`)).rejects.toThrow('are never changed or removed'))
})

test.each([
  ['auth_service', 'auth_app', 'audit_logs'],
  ['constitutional_ai', 'constitutional_app', 'user_sessions'],
  ['integrity_service', 'integrity_app', 'users'],
  ['formal_verification', 'verification_app', 'audit_logs'],
  ['governance_synthesis', 'synthesis_app', 'users'],
  ['policy_governance', 'governance_app', 'policies'],
  ['executive_council', 'council_app', 'policies'],
  ['dgm_service', 'dgm_app', 'users'],
])('the application of %s (%s) reads its copy %s, and may not write it', async (service, role, copy) => {
  const client = await system.client(service)
  for (const [change, isAllowed] of [
    [`SELECT FROM ${copy} LIMIT 1`, true],
    [`DELETE FROM ${copy}`, false],
    [`UPDATE ${copy} SET id = id`, false],
    [`INSERT INTO ${copy} SELECT * FROM ${copy}`, false],
    [`TRUNCATE ${copy}`, false],
  ] as const) {
    await undone(client, async () => {
      await client.query(`SET LOCAL ROLE ${role}`)
      if (isAllowed) expect((await client.query(change)).rowCount).toBe(1)
      else await expect(client.query(change)).rejects.toThrow(`permission denied for table ${copy}`)
    })
  }
})

test('status tells each copy with its owner and how old it is', async () => {
  const told = await copies()
  expect(told.map((c) => `${c.service}: ${c.table} of ${c.owner}`)).toEqual([
    'auth_service: audit_logs of integrity_service',
    'constitutional_ai: audit_logs of integrity_service',
    'constitutional_ai: user_sessions of auth_service',
    'integrity_service: users of auth_service',
    'integrity_service: sessions of auth_service',
    'formal_verification: audit_logs of integrity_service',
    'governance_synthesis: users of auth_service',
    'governance_synthesis: audit_logs of integrity_service',
    'policy_governance: users of auth_service',
    'policy_governance: policies of governance_synthesis',
    'executive_council: users of auth_service',
    'executive_council: policies of governance_synthesis',
    'dgm_service: audit_logs of integrity_service',
    'dgm_service: users of auth_service',
  ])
  expect(told.map(({ lagEvents, lagSeconds }) => [lagEvents, lagSeconds])).toEqual(told.map(() => ['0', 0]))
})

test('a copy whose projector stands is behind by what happened since, in events and seconds, and by nothing once it goes on', async () => {
  await projectors.get('executive_council')!.stop()
  // Ten events of a table that has a copy here and in other services.
  const monolith = await system.client('monolith')
  await monolith.query(
    `UPDATE auth_users SET full_name = full_name || '!' WHERE id IN (SELECT id FROM auth_users ORDER BY id LIMIT 10)`,
  )
  await waitUntil('policy_governance to have them', LIMIT_MS, catchingUp(system, ['policy_governance']))
  const behind = (await copies()).filter(({ service, table }) => table === 'users' && /council|policy/.test(service))
  expect(behind).toEqual([
    expect.objectContaining({ service: 'policy_governance', lagEvents: '0', lagSeconds: 0 }),
    expect.objectContaining({ service: 'executive_council', lagEvents: '10' }),
  ])
  expect(behind[1]!.lagSeconds).toBeGreaterThan(0)

  startProjector('executive_council')
  await waitUntil('every service to have them', LIMIT_MS, catchingUp(system))
  expect((await copies()).filter(({ lagEvents, lagSeconds }) => lagEvents !== '0' || lagSeconds !== 0)).toEqual([])
})

test('a hundred clients of the auth service work through its pgbouncer at once, on twenty connections, beside its projector', async () => {
  const databases = await ServiceDatabases.open({
    applicationName: 'auth application',
    services: { auth_service: { url: pgbouncer.url, pooler: 'transaction', pool: { min: 0, max: 90 } } },
  })
  try {
    const auth = databases.get('auth_service')
    const seen = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        auth.transaction(async (transaction) => {
          const { rows } = await transaction.query<{ pid: number; users: number }>(
            'SELECT pg_backend_pid() AS pid, (SELECT count(*)::integer FROM users WHERE username <> $1) AS users, pg_sleep(0.005)',
            [`nobody ${i % 7}`],
          )
          return rows[0]!
        }),
      ),
    )
    expect(seen.every(({ users }) => users > 0)).toBe(true)
    expect(new Set(seen.map(({ pid }) => pid)).size).toBeLessThanOrEqual(20)
  } finally {
    await databases.close()
  }
})

test('by the URL of a pgbouncer doctor says what works behind it, and migrate, which does not, is refused with exit 3', async () => {
  const env = { ...system.env, SLUICE_AUTH_SERVICE_URL: pgbouncer.url }
  const doctor = await runSluice(['doctor', '--json'], env)
  const { checks } = (
    JSON.parse(doctor.stdout) as {
      readonly result: {
        readonly checks: readonly { readonly name: string; readonly status: string; readonly code?: string }[]
      }
    }
  ).result
  expect(checks.filter(({ name }) => name.endsWith('.pooler'))).toMatchObject([
    { name: 'service.auth_service.pooler', status: 'warning', code: 'SLU-2005' },
  ])
  expect(checks.filter(({ name, status }) => name.startsWith('service.auth_service.') && status === 'failed')).toEqual([])
  const { code, stdout } = await runSluice(['migrate', 'status', 'auth_service', '--json'], env)
  expect(code).toBe(3)
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    error: { code: 'SLU-2005', ways: [expect.stringContaining('export SLUICE_AUTH_SERVICE_URL=') as string] },
  })
})

test('the integrity service reads from its replica, less than a second behind under a workload, and never writes there', async () => {
  const onReplica = new URL(replica.url)
  onReplica.pathname = new URL(system.url('integrity_service')).pathname
  const metrics = createDatabaseMetrics()
  const databases = await ServiceDatabases.open({
    applicationName: 'integrity application',
    services: { integrity_service: { url: system.url('integrity_service'), replicas: [{ url: onReplica.toString() }] } },
    metrics,
  })
  try {
    const integrity = databases.get('integrity_service')
    const isRead = () =>
      integrity.read(async (t) => (await t.query<{ is: boolean }>('SELECT pg_is_in_recovery() AS is')).rows[0]!.is)
    await expect.poll(isRead, { timeout: 60_000 }).toBe(true)
    const working = demo.runWorkload({
      url: system.url('monolith'),
      seed: 101,
      transactions: 60,
      signal: new AbortController().signal,
    })
    const lagsMs: number[] = []
    for (let i = 0; i < 20; i++) lagsMs.push(await lagOf(onReplica.toString()))
    await working
    process.stdout.write(`the replica was behind by at most ${Math.max(...lagsMs).toFixed(0)} ms\n`)
    expect(Math.max(...lagsMs)).toBeLessThan(1_000)
    expect(await metrics.render()).toMatch(
      /sluice_service_replica_lag_seconds\{service="integrity_service",server="replica_1"\} [\d.]+/,
    )
    await expect(integrity.read((t) => t.query(`UPDATE hash_chains SET description = 'x'`))).rejects.toMatchObject({
      code: 'WRITE_IN_READ',
    })
    const { rows } = await integrity.transaction((t) => t.query<{ is: boolean }>('SELECT pg_is_in_recovery() AS is'))
    expect(rows).toEqual([{ is: false }])
  } finally {
    await databases.close()
  }
})

/** Milliseconds until the replica shows what the primary has committed now. */
async function lagOf(replicaUrl: string): Promise<number> {
  const primary = await system.client('integrity_service')
  const reader = new pg.Client(replicaUrl)
  await reader.connect()
  try {
    const { rows } = await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
    const startedAt = performance.now()
    for (;;) {
      const shown = await reader.query<{ has: boolean }>('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS has', [rows[0]!.lsn])
      if (shown.rows[0]!.has) return performance.now() - startedAt
    }
  } finally {
    await reader.end()
  }
}

test('while the database of one service is away the others go on, and it is whole again within five minutes of its return', async () => {
  const others = WAVES.flat().filter((service) => service !== 'integrity_service')
  await own.services.kill9()
  await demo.runWorkload({ url: system.url('monolith'), seed: 102, transactions: 60, signal: new AbortController().signal })
  await waitUntil('the other services to have everything', LIMIT_MS, catchingUp(system, others))
  const backAt = performance.now()
  await own.services.start()
  await waitUntil('the integrity service to have everything', RECOVERY_LIMIT_MS, catchingUp(system, ['integrity_service']))
  const recoveryMs = performance.now() - backAt
  process.stdout.write(
    `the integrity service had everything ${(recoveryMs / 1_000).toFixed(1)} s after its database was started\n`,
  )
  expect(recoveryMs).toBeLessThan(RECOVERY_LIMIT_MS)
  const { code, stderr } = await runSluice(['verify', '--json'], system.env)
  expect(code, stderr).toBe(0)
})

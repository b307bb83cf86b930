/** The runbook as it is written: its roles, made by its own statements, are enough for each step, and no step needs another one. */
import { connect, postgresTarget } from '@sluice/postgres'
import { Random } from '@sluice/workload'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import demo from '../demo.ts'
import { storageRecordRow } from '../sample/sample-rows.ts'
import { insertRow } from './insert-row.ts'
import { LlamaPipeline, runOn } from './llama-pipeline.ts'
import { SERVICES, urlAs } from './logins.ts'
import { Runbook } from './runbook.ts'

let runbook: Runbook
let llama: LlamaPipeline

beforeAll(async () => {
  runbook = await Runbook.read()
  llama = await LlamaPipeline.open(() => runbook.makeDatabases())
  await demo.fill({ database: llama.clients.monolith, rows: 300, seed: 21 })
})
afterAll(() => llama[Symbol.asyncDispose]())

async function counted(client: pg.Client, what: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`SELECT count(*)::integer AS n FROM ${what}`)
  return rows[0]!.n
}

test('the owners provision, the projectors fill, and the verifiers see that all of it is equal', async () => {
  await llama.provision()
  llama.start()
  await llama.caughtUp()
  const report = await llama.verify()
  expect(report.services.flatMap(({ tables }) => tables.filter((table) => table.status !== 'equal'))).toEqual([])
  expect(report.verdict).toBe('equal')
  const { rows } = await llama.clients.monolith.query(
    `SELECT rolname FROM pg_roles WHERE rolcanlogin AND (rolsuper OR rolbypassrls)`,
  )
  expect(rows).toHaveLength(1)
})

test('a projector that works as the owner is refused at its start: the owner sees no rows', async () => {
  await expect(llama.projectorEnds('mapper', llama.ownerTarget('mapper'))).rejects.toMatchObject({ number: 'SLU-5004' })
})

test('the scheduler’s lines remove what is due, everywhere, and nothing else', async () => {
  const { clients } = llama
  await clients.monolith.query('UPDATE tenants SET retention_days = 100000')
  const tenant = { name: 'n', plan: 'team', requests_per_minute: 60, burst: 5, retention_days: 30 }
  await insertRow(clients.monolith, 'tenants', { ...tenant, id: 'due' })
  await insertRow(clients.monolith, 'tenants', { ...tenant, id: 'held', is_on_legal_hold: true })
  for (const id of ['due', 'held'])
    for (const ageDays of [365, 0])
      await insertRow(clients.monolith, 'storage_records', {
        ...storageRecordRow(new Random(7), 1, id),
        created_at: new Date(Date.now() - ageDays * 86_400_000).toISOString(),
      })
  const all = await counted(clients.monolith, 'storage_records')
  const others = ['audit_log', 'policy_decisions', 'quality_measurements', 'assistant_answers', 'tenants']
  const before = await Promise.all(others.map((table) => counted(clients.monolith, table)))
  for (const service of SERVICES) {
    await clients[service].query(
      `INSERT INTO access_audit (occurred_at, tenant_id, login, role, application, operation, table_name, rows)
       SELECT now() - n * interval '1 year', 'acme', 'l', 'r', 'a', 'INSERT', 'old', 1 FROM generate_series(0, 2) AS n`,
    )
    await clients[service].query(
      `INSERT INTO data_access_log (accessed_at, service, kind, purpose) SELECT now() - n * interval '1 year', 'old', 'read', 'old'
       FROM generate_series(0, 2) AS n`,
    )
  }

  expect(runbook.scheduled).toHaveLength(1 + SERVICES.length)
  for (const { login, statement } of runbook.scheduled) {
    const service = SERVICES.find((name) => login === `${name}_cleaner`)
    const url = llama.superuserUrl(service ?? 'monolith')
    await runOn(postgresTarget(login, urlAs(url, login)), statement)
  }

  expect(await counted(clients.monolith, `storage_records WHERE tenant_id = 'due'`)).toBe(1)
  expect(await counted(clients.monolith, 'storage_records')).toBe(all - 1)
  expect(await Promise.all(others.map((table) => counted(clients.monolith, table)))).toEqual(before)
  for (const service of SERVICES) {
    expect(await counted(clients[service], `access_audit WHERE table_name = 'old'`)).toBe(1)
    expect(await counted(clients[service], `data_access_log WHERE service = 'old'`)).toBe(1)
  }
  await llama.caughtUp()
  expect(await counted(clients.orchestration, 'detector_executions')).toBe(all - 1)
  expect(await counted(clients.analysis, 'analysis_requests')).toBe(all - 1)
  expect(await counted(clients.mapper, 'mapping_requests')).toBe(all - 1)
})

test.each([
  ['monolith', 'llama_cleaner', 'DELETE FROM tenants'],
  ['monolith', 'llama_cleaner', 'SELECT FROM audit_log'],
  ['monolith', 'llama_reader', 'SELECT apply_retention(now())'],
  ['monolith', 'llama_reader', 'DELETE FROM storage_records'],
  ['mapper', 'mapper_cleaner', 'SELECT FROM taxonomies'],
  ['mapper', 'mapper_cleaner', 'DELETE FROM access_audit'],
  ['mapper', 'mapper_cleaner', 'SELECT remove_old_access_audit(now())'],
  ['mapper', 'mapper_worker', `SELECT clean_up_access_records('1 year')`],
] as const)('in %s %s may not: %s', async (place, login, statement) => {
  const client = await connect(postgresTarget(place, urlAs(llama.superuserUrl(place), login)), { applicationName: 'test' })
  try {
    await expect(client.query(statement)).rejects.toThrow(/permission denied/)
  } finally {
    await client.end()
  }
})

test('access records of the last 30 days are not removed, whatever is asked for', async () => {
  const cleaner = postgresTarget('mapper', urlAs(llama.superuserUrl('mapper'), 'mapper_cleaner'))
  for (const keep of [`'29 days'`, `'-1 year'`, 'NULL'])
    await expect(runOn(cleaner, `SELECT clean_up_access_records(${keep})`)).rejects.toThrow('kept for 30 days at least')
})

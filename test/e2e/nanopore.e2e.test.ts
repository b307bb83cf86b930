/** Nanopore tracking through the whole pipeline: split under a workload, secrets encrypted on the way, audit records kept. */
import { parseMasterKeys, SealedReader } from '@sluice/privacy'
import { postgresTarget } from '@sluice/postgres'
import { topicsOf, lanesOf } from '@sluice/system'
import { expect, test } from 'vitest'
import { catchingUp } from '../harness/caught-up.ts'
import { expectSmallDemo } from '../harness/small-demo.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { plantedInDatabase, plantedInText, plantedInTopics } from '../privacy/planted-values.ts'

const LIMIT_MS = 240_000
const MASTER_KEY = `test:${Buffer.alloc(32, 'nanopore').toString('base64')}`
const PROJECTOR = 'audit_projector'

test('the laboratory is split into its five services under a workload, and ends equal', async () => {
  const { services } = await expectSmallDemo('nanopore', 10)
  expect(services.map(({ service }) => service)).toHaveLength(5)
})

test('secret configuration is encrypted everywhere behind the monolith, and audit records go by retention alone, in the service too', async () => {
  await using servers = await startTestServers()
  const file = new URL('../../schemas/nanopore/system.ts', import.meta.url)
  await using system = await startTestSystem(servers, file, { env: { SLUICE_MASTER_KEY: MASTER_KEY } })
  const [monolith, audit, config] = [await system.client('monolith'), await system.client('audit'), await system.client('config')]
  await monolith.query(`
    INSERT INTO application_configs (environment, config_key, value, secret_value) VALUES
      ('production', 'CLEAR-key', NULL, 'PLANTED-loaded'), ('production', 'mail.from', '"CLEAR-value"', NULL);
    INSERT INTO config_history (config_id, change, old_secret_value, new_secret_value)
      SELECT id, 'updated', 'PLANTED-former', 'PLANTED-loaded' FROM application_configs WHERE config_key = 'CLEAR-key';
    INSERT INTO retention_policies (entity_type, retention_days, legal_basis) VALUES ('login', 30, 'the law');
    INSERT INTO audit_logs (entity_type, entity_id, action, occurred_at) VALUES
      ('login', 'old', 'login', '2020-01-01'), ('login', 'new', 'login', now()), ('sample', 'kept', 'update', '2020-01-01')`)
  const engines = await startWithAuditRole(system)
  await waitUntil('the initial load', LIMIT_MS, catchingUp(system))

  await monolith.query(`UPDATE application_configs SET secret_value = 'PLANTED-changed' WHERE config_key = 'CLEAR-key'`)
  await monolith.query(`SET ROLE nanopore_retention`)
  expect((await monolith.query(`DELETE FROM audit_logs WHERE entity_id = 'old'`)).rowCount).toBe(1)
  await monolith.query('RESET ROLE')
  // Read again, the records are written as they are.
  expect(await runSluice(['backfill', 'start', 'audit_logs'], system.env)).toMatchObject({ code: 0 })
  await waitUntil('the backfill', LIMIT_MS, async () => {
    const { rows } = await (
      await system.client('pipeline')
    ).query<{ status: string }>(`SELECT status FROM data_migration_state WHERE kind = 'backfill'`)
    return rows[0]?.status === 'completed'
  })
  await waitUntil('everything to be applied', LIMIT_MS, catchingUp(system))

  expect((await audit.query('SELECT entity_id FROM audit_logs ORDER BY 1')).rows).toEqual([
    { entity_id: 'kept' },
    { entity_id: 'new' },
  ])
  expect((await audit.query('SELECT removed_by, records::int FROM retention_runs WHERE records > 0')).rows).toEqual([
    { removed_by: PROJECTOR, records: 1 },
  ])
  for (const service of system.services)
    expect((await (await system.client(service)).query('SELECT FROM parked_events')).rowCount).toBe(0)

  const planted = ['PLANTED-']
  const control = ['CLEAR-key', 'CLEAR-value']
  const pipeline = await system.client('pipeline')
  const brokers = [servers.running.kafka.url]
  const topics = lanesOf(system.definition).flatMap((lane) => topicsOf(lane).map((topic) => topic.name))
  expect(await plantedInDatabase(pipeline, planted)).toEqual([])
  expect(await plantedInDatabase(config, planted)).toEqual([])
  expect(await plantedInTopics(brokers, topics, planted)).toEqual([])
  for (const engine of engines) expect(plantedInText(engine.stderr, planted)).toEqual([])
  // The same search finds what is in the clear.
  expect(await plantedInDatabase(config, control)).toHaveLength(2)
  expect(await plantedInTopics(brokers, topics, control)).toHaveLength(2)

  // Who has the keys reads them, as they are now and as they were.
  const keys = parseMasterKeys(MASTER_KEY, 'the test')
  const reader = await SealedReader.open(system.definition, postgresTarget('pipeline', system.url('pipeline')), keys)
  const { rows } = await config.query<{ text: string; place: string }>(
    `SELECT secret_value AS text, 'public.application_configs.secret_value' AS place FROM application_configs WHERE secret_value IS NOT NULL
     UNION ALL SELECT old_secret_value, 'public.config_history.old_secret_value' FROM config_history ORDER BY place`,
  )
  const contents = await reader.read(rows)
  await reader.close()
  expect(contents).toEqual([
    { kind: 'clear', text: 'PLANTED-changed' },
    { kind: 'clear', text: 'PLANTED-former' },
  ])
  const verify = await runSluice(['verify', '--json'], system.env)
  expect(verify, verify.stderr + verify.stdout).toMatchObject({ code: 0 })
})

/** Every process of the pipeline; the audit service's projector as a role that is no superuser, and was granted retention. */
async function startWithAuditRole(system: TestSystem) {
  const owner = await system.client('audit')
  await owner.query(`CREATE ROLE ${PROJECTOR} LOGIN PASSWORD 'projector' IN ROLE nanopore_retention;
    GRANT ALL ON ALL TABLES IN SCHEMA public TO ${PROJECTOR}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${PROJECTOR}`)
  const url = new URL(system.url('audit'))
  url.username = PROJECTOR
  url.password = 'projector'
  return Object.entries(system.commands()).map(([name, args]) =>
    system.start(name, args, name === 'projector audit' ? { SLUICE_AUDIT_URL: url.toString() } : {}),
  )
}

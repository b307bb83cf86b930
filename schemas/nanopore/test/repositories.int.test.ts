/** The repositories of three services, on the databases that their applications open. */
import { randomUUID } from 'node:crypto'
import { runInContext } from '@sluice/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AiRepository } from '../services/ai/ai-repository.ts'
import { AuditRepository } from '../services/audit/audit-repository.ts'
import { SamplesRepository } from '../services/samples/samples-repository.ts'
import { type OpenServices, openServices } from './databases.ts'

let services: OpenServices
let samples: SamplesRepository
let ai: AiRepository
let audit: AuditRepository

beforeAll(async () => {
  services = await openServices()
  samples = new SamplesRepository(services.databases.samples)
  ai = new AiRepository(services.databases.ai)
  audit = new AuditRepository(services.databases.audit)
})
afterAll(async () => {
  await services[Symbol.asyncDispose]()
})

const newSample = (sampleName: string, more: { readonly projectId?: string; readonly labName?: string } = {}) => ({
  sampleId: `NP-${randomUUID().slice(0, 8)}`,
  sampleName,
  submitterName: 'Siobhán Ní Bhriain',
  sampleType: 'dna',
  steps: ['quality control', 'sequencing'],
  ...more,
})

test('all five databases are healthy, and each service has its own', async () => {
  expect(await services.databases.healthCheck()).toMatchObject({
    status: 'healthy',
    services: { samples: true, ai: true, audit: true, backup: true, config: true },
  })
  const { databases } = services
  for (const [database, table] of [
    [databases.backup, 'backup_jobs'],
    [databases.config, 'feature_flags'],
  ] as const)
    expect((await database.query(`SELECT count(*)::int AS n FROM ${table}`)).rows).toEqual([{ n: 0 }])
  await expect(databases.config.query('SELECT FROM backup_jobs')).rejects.toMatchObject({ code: '42P01' })
})

test('a sample is registered with its steps, found, renamed and removed with all that is its own', async () => {
  const id = await samples.register(newSample('barcode 17'))
  expect(await samples.find(id)).toMatchObject({ sample_name: 'barcode 17', status: 'submitted' })
  expect(await samples.rename(id, 'barcode 18')).toBe(true)
  await samples.attach(id, { fileName: 'b.pdf', fileType: 'application/pdf', sizeBytes: 10, sha256: Buffer.alloc(32) })
  expect(await samples.attachmentNames(id)).toEqual(['b.pdf'])
  expect(await samples.remove(id)).toBe(true)
  expect(await samples.find(id)).toBeNull()
  expect(await samples.rename(id, 'gone')).toBe(false)
  const left = await services.clients.samples.query('SELECT FROM nanopore_processing_steps WHERE sample_id = $1', [id])
  expect(left.rowCount).toBe(0)
})

test('samples are searched by words, phrases and exclusions, the best match first, by the index', async () => {
  const named = await samples.register(newSample('plasmid zebrafish'))
  const ofLab = await samples.register(newSample('control', { labName: 'zebrafish facility' }))
  const other = await samples.register(newSample('plasmid mouse', { projectId: 'zoo' }))
  const ids = async (words: string): Promise<readonly string[]> => (await samples.search({ words })).map((sample) => sample.id)
  expect(await ids('zebrafish')).toEqual([named, ofLab])
  expect(await ids('plasmid -mouse')).toEqual([named])
  expect(await ids('"plasmid mouse" or facility')).toEqual(expect.arrayContaining([other, ofLab]))
  expect(await ids('nothing of the kind')).toEqual([])
  expect(await samples.search({ words: 'zebrafish', status: 'completed' })).toEqual([])
  await samples.rename(named, 'plasmid medaka')
  expect(await ids('zebrafish')).toEqual([ofLab])
  await services.clients.samples.query('SET enable_seqscan = off')
  const byIndex = await services.clients.samples.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN SELECT FROM nanopore_samples WHERE search_document @@ websearch_to_tsquery('simple', 'zebrafish')`,
  )
  await services.clients.samples.query('RESET enable_seqscan')
  expect(byIndex.rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('nanopore_samples_search')
})

test('the steps of a sample end one by one, also for two who end them at once, and the last one completes it', async () => {
  const id = await samples.register(newSample('workflow'))
  const ended = await Promise.all([samples.completeNextStep(id), samples.completeNextStep(id)])
  expect(ended.toSorted()).toEqual(['quality control', 'sequencing'])
  expect(await samples.find(id)).toMatchObject({ status: 'completed' })
  expect(await samples.completeNextStep(id)).toBeNull()
})

test('a job goes to one worker alone, the most urgent first, however many ask at once', async () => {
  const [low, high] = [await ai.enqueue('extraction', randomUUID(), 1), await ai.enqueue('extraction', randomUUID(), 9)]
  const taken = await Promise.all(Array.from({ length: 6 }, () => ai.take()))
  expect(taken.flatMap((job) => (job === null ? [] : [job.id])).toSorted()).toEqual([low, high].toSorted())
  await ai.enqueue('extraction', randomUUID(), 1)
  const urgent = await ai.enqueue('extraction', randomUUID(), 5)
  expect((await ai.take())?.id).toBe(urgent)
})

test('a job that fails is tried again up to a number of times', async () => {
  await services.clients.ai.query('DELETE FROM ai_processing_jobs')
  const id = await ai.enqueue('summary', randomUUID())
  for (const attempt of [1, 2, 3]) {
    expect(await ai.take()).toMatchObject({ id, attempts: attempt })
    expect(await ai.fail({ id, attempts: attempt }, 'no answer')).toBe(true)
  }
  expect(await ai.take()).toBeNull()
  expect((await services.clients.ai.query('SELECT status, attempts FROM ai_processing_jobs')).rows).toEqual([
    { status: 'failed', attempts: 3 },
  ])
})

test('a result ends its job; one without confidence waits for a person, once; the figures count them', async () => {
  await services.clients.ai.query('DELETE FROM ai_processing_jobs')
  for (const confidence of [0.95, 0.4]) {
    await ai.enqueue('extraction', randomUUID())
    const job = await ai.take()
    await ai.complete(job!, { method: 'hybrid', data: { volume: 10 }, confidence, modelName: 'small', processingMs: 100 })
  }
  expect(await ai.figuresByMethod()).toEqual([
    { extraction_method: 'hybrid', results: 2, average_confidence: 0.675, average_ms: 100, to_review: 1 },
  ])
  const pending = await services.clients.ai.query<{ id: string }>(
    `SELECT id FROM ai_extraction_results WHERE validation_status = 'pending'`,
  )
  expect(await ai.validate(pending.rows[0]!.id, 'invalid')).toBe(true)
  expect(await ai.validate(pending.rows[0]!.id, 'valid')).toBe(false)
  const today = await services.clients.ai.query<{ day: string }>('SELECT current_date::text AS day')
  await ai.recordPerformance('small', today.rows[0]!.day)
  const { rows } = await services.clients.ai.query('SELECT requests, failures, average_ms FROM ai_model_performance')
  expect(rows).toEqual([{ requests: 2, failures: 1, average_ms: 100 }])
})

test('a job whose result is refused is not ended', async () => {
  const id = await ai.enqueue('extraction', randomUUID(), 100)
  const job = await ai.take()
  const impossible = { method: 'llm', data: {}, confidence: 1.5, modelName: null, processingMs: 1 } as const
  await expect(ai.complete(job!, impossible)).rejects.toMatchObject({ code: '23514' })
  const { rows } = await services.clients.ai.query('SELECT status FROM ai_processing_jobs WHERE id = $1', [id])
  expect(rows).toEqual([{ status: 'running' }])
})

test('a job of a worker that died is taken again, and has one result, whatever the first worker says later', async () => {
  await services.clients.ai.query('DELETE FROM ai_extraction_results; DELETE FROM ai_processing_jobs')
  const id = await ai.enqueue('extraction', randomUUID())
  const first = (await ai.take())!
  expect(await ai.take()).toBeNull()
  await services.clients.ai.query(`UPDATE ai_processing_jobs SET started_at = started_at - interval '1 day'`)
  const second = (await ai.take())!
  expect(second).toMatchObject({ id, attempts: 2 })
  const result = { method: 'llm', data: {}, confidence: 0.9, modelName: null, processingMs: 1 } as const
  expect(await ai.complete(first, result)).toBe(false)
  expect(await ai.fail(first, 'late')).toBe(false)
  expect(await ai.complete(second, result)).toBe(true)
  expect(await ai.complete(second, result)).toBe(false)
  expect(await ai.fail(second, 'the answer to the commit was lost')).toBe(false)
  const { rows } = await services.clients.ai.query(
    'SELECT status, (SELECT count(*)::int FROM ai_extraction_results) AS results FROM ai_processing_jobs',
  )
  expect(rows).toEqual([{ status: 'completed', results: 1 }])
})

test('a compliance report counts what happened in its period', async () => {
  await audit.log({ entityType: 'sample', entityId: '1', action: 'update' })
  await audit.log({ entityType: 'sample', entityId: '2', action: 'update' })
  await audit.log({ entityType: 'user', entityId: '1', action: 'login', severity: 'critical', newValues: { tries: 9 } })
  const today = (await services.clients.audit.query<{ day: string }>('SELECT current_date::text AS day')).rows[0]!.day
  const id = await audit.report({ framework: 'ISO 27001', from: today, to: today })
  const { rows } = await services.clients.audit.query('SELECT findings, score, status FROM compliance_reports WHERE id = $1', [
    id,
  ])
  expect(rows).toEqual([
    {
      findings: [
        { entity_type: 'sample', action: 'update', records: 2, critical: 0 },
        { entity_type: 'user', action: 'login', records: 1, critical: 1 },
      ],
      score: '0.00',
      status: 'final',
    },
  ])
  const empty = await audit.report({ framework: 'GDPR', from: '2001-01-01', to: '2001-01-31' })
  const { rows: none } = await services.clients.audit.query('SELECT findings, score FROM compliance_reports WHERE id = $1', [
    empty,
  ])
  expect(none).toEqual([{ findings: [], score: '100.00' }])
})

test('security events are counted by user', async () => {
  const userId = randomUUID()
  const event = { entityType: 'user', entityId: userId, action: 'login', isSecurityEvent: true, userId } as const
  await audit.log({ ...event, ipAddress: '10.0.0.1', severity: 'critical' })
  await audit.log({ ...event, ipAddress: '10.0.0.2' })
  expect(await audit.securityFigures()).toEqual([{ user_id: userId, security_events: 2, addresses: 2, critical: 1 }])
})

test('retention removes what its policy lets go, leaves the rest, and says so', async () => {
  const { audit: client } = services.clients
  await client.query(
    `INSERT INTO audit_logs (entity_type, entity_id, action, occurred_at)
     SELECT e, n::text, 'export', now() - make_interval(days => n) FROM unnest(ARRAY['export', 'kept']) e, (VALUES (1), (100), (200)) d (n)`,
  )
  await audit.setPolicy('export', 90, 'the law')
  expect(await audit.applyRetention('export')).toBe(2)
  expect(await audit.applyRetention('kept')).toBe(0)
  const { rows } = await client.query(
    `SELECT entity_type, array_agg(entity_id ORDER BY entity_id::int) AS ids FROM audit_logs WHERE action = 'export' GROUP BY 1 ORDER BY 1`,
  )
  expect(rows).toEqual([
    { entity_type: 'export', ids: ['1'] },
    { entity_type: 'kept', ids: ['1', '100', '200'] },
  ])
  const runs = await client.query('SELECT entity_type, records::int FROM retention_runs WHERE records > 0')
  expect(runs.rows).toEqual([{ entity_type: 'export', records: 2 }])
  expect((await client.query('SELECT FROM retention_policies WHERE last_applied_at IS NOT NULL')).rowCount).toBe(1)
})

test('what the repositories read stands in the audit database, with who read it', async () => {
  const id = await samples.register(newSample('read'))
  await runInContext({ userId: 'ann', correlationId: 'request-1' }, () => samples.find(id))
  const { rows } = await services.clients.audit.query(
    `SELECT service, kind, purpose, correlation_id FROM data_access_log WHERE user_id = 'ann'`,
  )
  expect(rows).toEqual([{ service: 'samples', kind: 'read', purpose: 'find a sample', correlation_id: 'request-1' }])
})

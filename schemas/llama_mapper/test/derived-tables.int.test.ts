/**
 * What each of the document's tables holds, all of it, beside a query over the monolith that is written by the document's words, apart
 * from the definition: verify derives its own from the mapping, so a mapping that says something else would be equal to itself.
 */
import { writtenTables } from '@sluice/system'
import { Random } from '@sluice/workload'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import demo from '../demo.ts'
import { storageRecordRow } from '../sample/sample-rows.ts'
import system from '../system.ts'
import { insertRow } from './insert-row.ts'
import { LlamaPipeline } from './llama-pipeline.ts'
import { SERVICES, type ServiceName } from './logins.ts'

/** Columns of the table, and what the monolith says of them. Columns that were hashed or encrypted are proven by the split's own test. */
interface Derivation {
  readonly columns: string
  readonly source: string
}

const DERIVATIONS: Readonly<Record<ServiceName, Readonly<Record<string, Derivation>>>> = {
  orchestration: {
    detector_executions: {
      columns: 'id, tenant_id, request_id, detector_type, detector_version, status, confidence, duration_ms, executed_at',
      source: `SELECT id, tenant_id, request_id, detector_type, detector_version, s.ended, confidence, duration_ms, created_at
               FROM storage_records JOIN (VALUES ('received', 'completed'), ('mapped', 'completed'), ('failed', 'failed')) AS s (status, ended)
                 USING (status)`,
    },
    detectors: {
      columns: '*',
      source: `SELECT tenant_id, detector_type, sum(1), sum(CASE status WHEN 'failed' THEN 1 ELSE 0 END), sum(duration_ms),
                 round(avg(duration_ms), 2), true, 5000, 'closed'
               FROM storage_records GROUP BY tenant_id, detector_type`,
    },
    orchestration_requests: {
      columns: '*',
      source: `SELECT tenant_id, request_id, sum(1), sum(CASE status WHEN 'failed' THEN 1 ELSE 0 END),
                 sum(CASE status WHEN 'received' THEN 1 ELSE 0 END), sum(duration_ms),
                 CASE WHEN 'received' = ANY (array_agg(status)) THEN 'running' WHEN 'failed' = ALL (array_agg(status)) THEN 'failed'
                   WHEN 'failed' = ANY (array_agg(status)) THEN 'partial' ELSE 'completed' END
               FROM storage_records GROUP BY tenant_id, request_id`,
    },
    policies: {
      columns: '*',
      source: 'SELECT id, tenant_id, name, rego, priority, is_active, updated_at FROM access_policies',
    },
    policy_enforcements: {
      columns: '*',
      source: `SELECT id, tenant_id, policy_id, request_id, decision, decision NOT IN ('allow', 'redact'), reasons, decided_at
               FROM policy_decisions`,
    },
    rate_limits: {
      columns: '*',
      source: 'SELECT id, requests_per_minute, burst, 24::bigint * 60 * requests_per_minute FROM tenants',
    },
    service_registry: {
      columns: '*',
      source: 'SELECT id, tenant_id, service, url, version, health, heartbeat_at FROM service_endpoints',
    },
    async_jobs: {
      columns: '*',
      source: `SELECT id, tenant_id, kind, status, payload, progress, error, created_at, finished_at FROM jobs
               WHERE kind IN ('batch', 'export')`,
    },
    orchestration_audit: {
      columns: 'id, tenant_id, actor_id, action, details, occurred_at',
      source: `SELECT id, tenant_id, actor_id, action, details, occurred_at FROM audit_log WHERE area NOT IN ('analysis', 'mapper')`,
    },
  },
  analysis: {
    analysis_requests: {
      columns: 'id, tenant_id, request_id, detector_type, status, requested_at',
      source: 'SELECT id, tenant_id, request_id, detector_type, status, created_at FROM storage_records',
    },
    canonical_results: {
      columns: '*',
      source: `SELECT id, tenant_id, taxonomy, canonical_label,
                 CASE WHEN mapped_data ? 'scores' THEN jsonb_path_query_first(mapped_data, '$.scores') ELSE '{}' END,
                 mapped_data, confidence, updated_at
               FROM storage_records WHERE canonical_label IS NOT NULL`,
    },
    risk_scores: {
      columns: '*',
      source: `SELECT id, tenant_id, request_id, round(least(100 - 100 * confidence + 100 * variance, 100), 2), level, confidence,
                 confidence_metrics
               FROM storage_records
               JOIN (VALUES ('high', 0, 0.5999), ('medium', 0.6, 0.8999), ('low', 0.9, 1)) AS levels (level, least, most)
                 ON confidence BETWEEN levels.least AND levels.most
               CROSS JOIN LATERAL (
                 SELECT coalesce(sum(value::text::numeric), 0) AS variance FROM jsonb_each(confidence_metrics) WHERE key = 'variance'
               ) AS disagreement`,
    },
    compliance_mappings: {
      columns: '*',
      source: `SELECT id, tenant_id, framework, canonical_label, detector_type, updated_at FROM storage_records
               WHERE canonical_label > '' AND framework > ''`,
    },
    pattern_analysis: {
      columns: '*',
      source: `SELECT tenant_id, detector_type, canonical_label, sum(1), sum(coalesce(confidence, 0.0000)) FROM storage_records
               WHERE status = 'mapped' GROUP BY 1, 2, 3`,
    },
    tenant_analytics: {
      columns: '*',
      source: `SELECT tenant_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')::date, sum(1),
                 sum(CASE status WHEN 'mapped' THEN 1 ELSE 0 END), sum(CASE status WHEN 'failed' THEN 1 ELSE 0 END)
               FROM storage_records GROUP BY 1, 2`,
    },
    knowledge_base: {
      columns: '*',
      source: `SELECT id, tenant_id, framework_code, section, title, content, '[' || array_to_string(embedding, ',') || ']', updated_at
               FROM framework_documents`,
    },
    rag_insights: {
      columns: 'id, tenant_id, answer, document_ids, embedding, confidence, answered_at',
      source: `SELECT id, tenant_id, answer, document_ids, '[' || array_to_string(embedding, ',') || ']', confidence, answered_at
               FROM assistant_answers`,
    },
    quality_metrics: {
      columns: '*',
      source: 'SELECT id, tenant_id, metric, value, threshold, sample_size, measured_at FROM quality_measurements',
    },
    quality_alerts: {
      columns: '*',
      source: `SELECT id, tenant_id, metric, -(value - threshold), severity, measured_at
               FROM quality_measurements
               CROSS JOIN LATERAL (
                 SELECT 'warning' AS severity WHERE value < threshold AND 2 * value >= threshold
                 UNION ALL SELECT 'critical' WHERE 2 * value < threshold AND value < threshold
               ) AS alert`,
    },
    weekly_evaluations: {
      columns: '*',
      source: `SELECT tenant_id, to_date(to_char(measured_at AT TIME ZONE 'UTC', 'IYYY-IW'), 'IYYY-IW'), metric, sum(1), sum(value),
                 sum(CASE WHEN value < threshold THEN 1 ELSE 0 END), sum(sample_size), round(avg(value), 4)
               FROM quality_measurements GROUP BY 1, 2, 3`,
    },
    ml_models: {
      columns: '*',
      source: 'SELECT id, tenant_id, name, version, family, stage, parameters, accuracy, registered_at FROM models',
    },
    analysis_pipelines: {
      columns: '*',
      source: `SELECT id, tenant_id, name, CASE WHEN value ? 'steps' THEN value['steps'] ELSE '[]' END, is_enabled, updated_at
               FROM settings WHERE kind NOT IN ('feature_flag', 'validation_schema')`,
    },
  },
  mapper: {
    mapping_requests: {
      columns: 'id, tenant_id, request_id, detector_type, status, requested_at',
      source: 'SELECT id, tenant_id, request_id, detector_type, status, created_at FROM storage_records',
    },
    mapping_results: {
      columns: '*',
      source: `SELECT id, tenant_id, taxonomy, canonical_label, framework, mapped_data, confidence,
                 CASE WHEN confidence BETWEEN 0.6 AND 1 THEN true ELSE false END, updated_at
               FROM storage_records WHERE canonical_label IS NOT NULL`,
    },
    model_inferences: {
      columns: '*',
      source: `SELECT id, tenant_id, model_name, model_version, output_tokens + input_tokens, duration_ms, cost_usd, created_at
               FROM storage_records WHERE model_version IS NOT NULL`,
    },
    cost_metrics: {
      columns: '*',
      source: `SELECT tenant_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')::date, model_name, sum(1), sum(input_tokens),
                 sum(output_tokens), sum(cost_usd)
               FROM storage_records WHERE model_version IS NOT NULL GROUP BY 1, 2, 3`,
    },
    training_jobs: {
      columns: '*',
      source: `SELECT id, tenant_id, status, payload['base_model'] #>> '{}', progress, error, created_at, finished_at FROM jobs
               WHERE kind NOT IN ('batch', 'export')`,
    },
    model_versions: {
      columns: '*',
      source: `SELECT tenant_id, model_name, model_version, sum(1), sum(CASE status WHEN 'failed' THEN 1 ELSE 0 END),
                 sum(coalesce(confidence, 0.0000))
               FROM storage_records WHERE model_version IS NOT NULL GROUP BY 1, 2, 3`,
    },
    deployment_experiments: {
      columns: '*',
      source: `SELECT id, tenant_id, name, control_version, candidate_version, traffic_percent, status, metrics, started_at, ended_at
               FROM experiments`,
    },
    taxonomies: {
      columns: '*',
      source: `SELECT tenant_id, taxonomy, canonical_label, sum(1) FROM storage_records WHERE status = 'mapped' GROUP BY 1, 2, 3`,
    },
    framework_configs: {
      columns: '*',
      source: 'SELECT id, tenant_id, code, title, version, settings, is_enabled FROM frameworks',
    },
    validation_schemas: {
      columns: '*',
      source: `SELECT id, tenant_id, name, value, is_enabled, updated_at FROM settings
               WHERE kind NOT IN ('feature_flag', 'analysis_pipeline')`,
    },
    feature_flags: {
      columns: '*',
      source: `SELECT id, tenant_id, name, is_enabled, CASE WHEN value ? 'rollout_percent' THEN value['rollout_percent']::integer ELSE 100 END,
                 updated_at
               FROM settings WHERE kind NOT IN ('validation_schema', 'analysis_pipeline')`,
    },
    storage_artifacts: {
      columns: '*',
      source:
        'SELECT id, tenant_id, artifact_uri, artifact_bytes, created_at FROM storage_records WHERE length(artifact_uri) > 0',
    },
  },
}
const derived = SERVICES.flatMap((service) =>
  Object.entries(DERIVATIONS[service]).map(([table, derivation]): [ServiceName, string, Derivation] => [
    service,
    table,
    derivation,
  ]),
)

let llama: LlamaPipeline

beforeAll(async () => {
  llama = await LlamaPipeline.open()
  const { monolith } = llama.clients
  await demo.fill({ database: monolith, rows: 800, seed: 11 })
  await insertEdges(monolith)
  await llama.provision()
  llama.start()
  await llama.caughtUp()
  const { signal } = new AbortController()
  await demo.runWorkload({ url: llama.superuserUrl('monolith'), seed: 12, transactions: 60, signal })
  await llama.caughtUp()
  for (const client of Object.values(llama.clients)) await client.query(`SET TimeZone = 'UTC'`)
})
afterAll(() => llama[Symbol.asyncDispose]())

/** Values on the borders of the rules, and settings that leave out what has a default. */
async function insertEdges(monolith: pg.Client): Promise<void> {
  await monolith.query(
    `INSERT INTO tenants (id, name, plan, requests_per_minute, burst, retention_days) VALUES ('edge', 'edge', 'team', 2000000, 5, 30)`,
  )
  await monolith.query(
    `INSERT INTO quality_measurements (tenant_id, metric, value, threshold, sample_size, measured_at)
     SELECT 'edge', 'edge', v.value, v.threshold, 1, '2027-01-03T23:59:59.999999Z'::timestamptz + n * interval '1 microsecond'
     FROM (VALUES (0.5, 0.5), (0.4999, 0.5), (0.25, 0.5), (0.2499, 0.5), (0, 0), (-1, -0.5)) AS v (value, threshold),
       generate_series(0, 1) AS n`,
  )
  await monolith.query(
    `INSERT INTO settings (tenant_id, kind, name, value)
     SELECT 'edge', kind, 'edge', '{}' FROM unnest(ARRAY['feature_flag', 'validation_schema', 'analysis_pipeline']) AS kind`,
  )
  await monolith.query(`INSERT INTO jobs (tenant_id, kind, status) VALUES ('edge', 'training', 'queued')`)
  const record = {
    ...storageRecordRow(new Random(3), 1, 'edge'),
    status: 'mapped',
    mapped_data: '{}',
    taxonomy: 'pii',
    canonical_label: 'PII.Health',
    framework: null,
    model_name: null,
    model_version: null,
    artifact_uri: 's3://llama-artifacts/edge',
    artifact_bytes: null,
    confidence_metrics: '{}',
    created_at: '2026-12-31T23:59:59.999999Z',
  }
  for (const confidence of [null, '0', '0.5999', '0.6', '0.8999', '0.9', '1'])
    await insertRow(monolith, 'storage_records', { ...record, confidence })
}

/** Rows as PostgreSQL's text, in one order on both sides. */
async function contents(client: pg.Client, query: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ row: string }>(`SELECT q::text AS row FROM (${query}) AS q ORDER BY q::text COLLATE "C"`)
  return rows.map(({ row }) => row)
}

test('each table that a projection writes has such a query', () => {
  for (const service of SERVICES) {
    const written = writtenTables(system.services[service]).map((table) => table.name)
    const tables = written.filter((name) => !name.startsWith('grouped_'))
    expect(Object.keys(DERIVATIONS[service]).sort()).toEqual(tables.sort())
  }
})

test.each(derived)(
  '%s.%s holds what the document derives it from, after the load and after changes',
  async (service, table, derivation) => {
    const { columns, source } = derivation
    const expected = await contents(llama.clients.monolith, source)
    expect(expected.length).toBeGreaterThan(0)
    expect(await contents(llama.clients[service], `SELECT ${columns} FROM ${table}`)).toEqual(expected)
  },
)

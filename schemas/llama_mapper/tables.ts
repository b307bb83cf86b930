/** The monolith's tables as they are captured, see `monolith/0001_llama_mapper.sql`. */
import {
  arrayOf,
  bigint,
  boolean,
  double,
  encrypt,
  hash,
  integer,
  jsonb,
  numeric,
  real,
  table,
  text,
  timestamptz,
  topic,
  uuid,
} from '@sluice/system'

export const tenants = table('tenants', {
  aggregate: 'Tenant',
  key: ['id'],
  topic: topic('llama.tenants'),
  columns: {
    id: text(),
    name: text(),
    plan: text(),
    requests_per_minute: integer(),
    burst: integer(),
    retention_days: integer(),
    is_on_legal_hold: boolean(),
    created_at: timestamptz(),
  },
})

export const storageRecords = table('storage_records', {
  aggregate: 'StorageRecord',
  key: ['id'],
  topic: topic('llama.storage_records'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    request_id: uuid(),
    detector_type: text(),
    detector_version: text(),
    raw_content: text(),
    status: text(),
    mapped_data: jsonb().nullable(),
    taxonomy: text().nullable(),
    canonical_label: text().nullable(),
    framework: text().nullable(),
    model_name: text().nullable(),
    model_version: text().nullable(),
    confidence: numeric(5, 4).nullable(),
    confidence_metrics: jsonb(),
    input_tokens: integer(),
    output_tokens: integer(),
    cost_usd: numeric(12, 6),
    duration_ms: integer(),
    artifact_uri: text().nullable(),
    artifact_bytes: bigint().nullable(),
    created_at: timestamptz(),
    updated_at: timestamptz(),
  },
  // No raw content is stored in the services, only hashes.
  privacy: { raw_content: hash() },
})

export const accessPolicies = table('access_policies', {
  aggregate: 'AccessPolicy',
  key: ['id'],
  topic: topic('llama.access_policies'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    name: text(),
    rego: text(),
    priority: integer(),
    is_active: boolean(),
    updated_at: timestamptz(),
  },
})

export const policyDecisions = table('policy_decisions', {
  aggregate: 'PolicyDecision',
  key: ['id'],
  topic: topic('llama.policy_decisions'),
  columns: {
    id: bigint(),
    tenant_id: text(),
    policy_id: uuid(),
    request_id: uuid(),
    decision: text(),
    reasons: arrayOf(text()),
    decided_at: timestamptz(),
  },
})

export const serviceEndpoints = table('service_endpoints', {
  aggregate: 'ServiceEndpoint',
  key: ['id'],
  topic: topic('llama.service_endpoints'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    service: text(),
    url: text(),
    version: text(),
    health: text(),
    heartbeat_at: timestamptz(),
  },
})

export const jobs = table('jobs', {
  aggregate: 'Job',
  key: ['id'],
  topic: topic('llama.jobs'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    kind: text(),
    status: text(),
    payload: jsonb(),
    progress: numeric(5, 2),
    error: text().nullable(),
    created_at: timestamptz(),
    finished_at: timestamptz().nullable(),
  },
})

export const auditLog = table('audit_log', {
  aggregate: 'AuditRecord',
  key: ['id'],
  topic: topic('llama.audit_log'),
  columns: {
    id: bigint(),
    tenant_id: text(),
    area: text(),
    actor_id: text(),
    actor_email: text(),
    action: text(),
    details: jsonb(),
    occurred_at: timestamptz(),
  },
  privacy: { actor_email: encrypt({ subject: 'actor_id' }) },
})

export const frameworks = table('frameworks', {
  aggregate: 'Framework',
  key: ['id'],
  topic: topic('llama.frameworks'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    code: text(),
    title: text(),
    version: text(),
    settings: jsonb(),
    is_enabled: boolean(),
  },
})

export const frameworkDocuments = table('framework_documents', {
  aggregate: 'FrameworkDocument',
  key: ['id'],
  topic: topic('llama.framework_documents'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    framework_code: text(),
    section: text(),
    title: text(),
    content: text(),
    embedding: arrayOf(real()).nullable(),
    updated_at: timestamptz(),
  },
})

export const assistantAnswers = table('assistant_answers', {
  aggregate: 'AssistantAnswer',
  key: ['id'],
  topic: topic('llama.assistant_answers'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    question: text(),
    answer: text(),
    document_ids: arrayOf(uuid()),
    embedding: arrayOf(real()).nullable(),
    confidence: numeric(5, 4),
    answered_at: timestamptz(),
  },
  privacy: { question: hash() },
})

export const qualityMeasurements = table('quality_measurements', {
  aggregate: 'QualityMeasurement',
  key: ['id'],
  topic: topic('llama.quality_measurements'),
  columns: {
    id: bigint(),
    tenant_id: text(),
    metric: text(),
    value: numeric(10, 4),
    threshold: numeric(10, 4),
    sample_size: integer(),
    measured_at: timestamptz(),
  },
})

export const models = table('models', {
  aggregate: 'Model',
  key: ['id'],
  topic: topic('llama.models'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    name: text(),
    version: text(),
    family: text(),
    stage: text(),
    parameters: jsonb(),
    accuracy: double().nullable(),
    registered_at: timestamptz(),
  },
})

export const experiments = table('experiments', {
  aggregate: 'Experiment',
  key: ['id'],
  topic: topic('llama.experiments'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    name: text(),
    control_version: text(),
    candidate_version: text(),
    traffic_percent: integer(),
    status: text(),
    metrics: jsonb(),
    started_at: timestamptz(),
    ended_at: timestamptz().nullable(),
  },
})

export const settings = table('settings', {
  aggregate: 'Setting',
  key: ['id'],
  topic: topic('llama.settings'),
  columns: {
    id: uuid(),
    tenant_id: text(),
    kind: text(),
    name: text(),
    value: jsonb(),
    is_enabled: boolean(),
    updated_at: timestamptz(),
  },
})

/** Sample data of the monolith, and a workload on it. */
import { type Random, arrayText, decimal, instant, longText, maybe, sampleTable, sentence, systemDemo } from '@sluice/workload'
import { FRAMEWORKS, METRICS, embedding, outcome, storageRecordRow } from './sample/sample-rows.ts'
import system from './system.ts'
import * as tables from './tables.ts'

const tenants = sampleTable(tables.tenants, {
  share: 0.3,
  row: (random, n) => ({
    id: `tenant-${n}`,
    name: sentence(random, 1, 3),
    plan: random.pick(['trial', 'team', 'enterprise']),
    requests_per_minute: random.between(10, 6_000),
    burst: random.between(0, 500),
    retention_days: random.between(3_000, 4_000),
    is_on_legal_hold: random.chance(0.2),
    created_at: instant(random),
  }),
  change: (random) => ({ requests_per_minute: random.between(10, 6_000), burst: random.between(0, 500) }),
  isNeverDeleted: true,
})

const storageRecords = sampleTable(tables.storageRecords, {
  share: 100,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => storageRecordRow(random, n, String(tenant.id)),
  change: outcome,
})

const accessPolicies = sampleTable(tables.accessPolicies, {
  share: 3,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => ({
    tenant_id: tenant.id,
    name: `policy ${n}`,
    rego: `package llama\nallow { input.risk < ${random.between(1, 99)} }\n# ${longText(random)}`,
    priority: random.between(0, 100),
    is_active: random.chance(0.9),
    updated_at: instant(random),
  }),
  change: (random) => ({ priority: random.between(0, 100), is_active: random.chance(0.9) }),
})

const policyDecisions = sampleTable(tables.policyDecisions, {
  share: 30,
  parents: { tenant: tenants, policy: accessPolicies },
  row: (random, _n, { tenant, policy }) => ({
    tenant_id: tenant.id,
    policy_id: policy.id,
    request_id: random.uuid(),
    ...decision(random),
    decided_at: instant(random),
  }),
  change: decision,
})

const serviceEndpoints = sampleTable(tables.serviceEndpoints, {
  share: 2,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => ({
    tenant_id: tenant.id,
    service: random.pick(['orchestration', 'analysis', 'mapper']),
    url: `https://service-${n}.example.com`,
    version: random.pick(['1.4.0', '1.5.0']),
    health: random.pick(['healthy', 'healthy', 'degraded', 'down']),
    heartbeat_at: instant(random),
  }),
  change: (random) => ({ health: random.pick(['healthy', 'degraded', 'down']), heartbeat_at: instant(random) }),
})

const jobs = sampleTable(tables.jobs, {
  share: 10,
  parents: { tenant: tenants },
  row: (random, _n, { tenant }) => ({
    tenant_id: tenant.id,
    kind: random.pick(['batch', 'export', 'training']),
    payload: JSON.stringify({ base_model: random.pick(['llama-3-8b', 'phi-3-mini']), epochs: random.between(1, 5) }),
    ...progress(random),
    created_at: instant(random),
  }),
  change: progress,
})

const auditLog = sampleTable(tables.auditLog, {
  share: 20,
  parents: { tenant: tenants },
  row: (random, _n, { tenant }) => {
    const actor = random.between(1, 200)
    return {
      tenant_id: tenant.id,
      area: random.pick(['orchestration', 'orchestration', 'analysis', 'mapper']),
      actor_id: `actor-${actor}`,
      actor_email: `actor.${actor}@example.com`,
      action: random.pick(['policy.changed', 'detector.disabled', 'export.started']),
      details: JSON.stringify({ reason: sentence(random, 2, 8) }),
      occurred_at: instant(random),
    }
  },
  isInsertOnly: true,
})

const frameworks = sampleTable(tables.frameworks, {
  share: 2,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => ({
    tenant_id: tenant.id,
    code: `${random.pick(FRAMEWORKS)}-${n}`,
    title: sentence(random, 2, 5),
    version: random.pick(['2023', '2024', '2026']),
    settings: JSON.stringify({ controls: random.between(1, 200), isStrict: random.chance(0.5) }),
    is_enabled: random.chance(0.9),
  }),
  change: (random) => ({ is_enabled: random.chance(0.9), version: random.pick(['2023', '2024', '2026']) }),
})

const frameworkDocuments = sampleTable(tables.frameworkDocuments, {
  share: 8,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => ({
    tenant_id: tenant.id,
    framework_code: random.pick(FRAMEWORKS),
    section: `§ ${n % 90}`,
    title: sentence(random, 2, 6),
    content: longText(random),
    embedding: embedding(random),
    updated_at: instant(random),
  }),
  change: (random) => ({ embedding: embedding(random), title: sentence(random, 2, 6) }),
})

const assistantAnswers = sampleTable(tables.assistantAnswers, {
  share: 10,
  parents: { tenant: tenants, document: frameworkDocuments },
  row: (random, _n, { tenant, document }) => ({
    tenant_id: tenant.id,
    question: longText(random),
    answer: longText(random),
    document_ids: arrayText([String(document.id)]),
    embedding: embedding(random),
    confidence: decimal(random, 0, 4),
    answered_at: instant(random),
  }),
  change: (random) => ({ answer: longText(random), confidence: decimal(random, 0, 4) }),
})

const qualityMeasurements = sampleTable(tables.qualityMeasurements, {
  share: 30,
  parents: { tenant: tenants },
  row: (random, _n, { tenant }) => ({
    tenant_id: tenant.id,
    metric: random.pick(METRICS),
    value: decimal(random, 1, 4),
    threshold: decimal(random, 0, 4),
    sample_size: random.between(1, 500),
    measured_at: instant(random),
  }),
  change: (random) => ({ value: decimal(random, 1, 4), measured_at: instant(random) }),
})

const models = sampleTable(tables.models, {
  share: 2,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => ({
    tenant_id: tenant.id,
    name: random.pick(['llama-3-8b-mapper', 'phi-3-mini-mapper']),
    version: `1.${n}.0`,
    family: random.pick(['llama', 'phi']),
    parameters: JSON.stringify({ rank: 256, alpha: 512, learningRate: 0.0001 }),
    ...standing(random),
    registered_at: instant(random),
  }),
  change: standing,
})

const experiments = sampleTable(tables.experiments, {
  share: 2,
  parents: { tenant: tenants },
  row: (random, _n, { tenant }) => ({
    tenant_id: tenant.id,
    name: sentence(random, 2, 4),
    control_version: '1.0.0',
    candidate_version: random.pick(['1.1.0', '2.0.0-rc1']),
    traffic_percent: random.between(0, 100),
    status: random.pick(['running', 'stopped', 'promoted']),
    metrics: JSON.stringify({ lift: random.fraction() }),
    started_at: instant(random),
    ended_at: maybe(random, () => instant(random), 0.5),
  }),
  change: (random) => ({ traffic_percent: random.between(0, 100), status: random.pick(['running', 'stopped', 'promoted']) }),
})

const settings = sampleTable(tables.settings, {
  share: 6,
  parents: { tenant: tenants },
  row: (random, n, { tenant }) => ({
    tenant_id: tenant.id,
    kind: random.pick(['feature_flag', 'validation_schema', 'analysis_pipeline']),
    name: `setting ${n}`,
    value: settingValue(random),
    is_enabled: random.chance(0.8),
    updated_at: instant(random),
  }),
  change: (random) => ({ value: settingValue(random), is_enabled: random.chance(0.8) }),
})

function decision(random: Random) {
  return {
    decision: random.pick(['allow', 'allow', 'deny', 'redact']),
    reasons: arrayText(random.some(['risk', 'règle §7', 'with "quotes"', 'a,b'], 3)),
  }
}

function progress(random: Random) {
  return {
    status: random.pick(['queued', 'running', 'done', 'failed']),
    progress: decimal(random, 99, 2),
    error: maybe(random, () => sentence(random, 3, 9), 0.8),
    finished_at: maybe(random, () => instant(random), 0.5),
  }
}

function standing(random: Random) {
  return {
    stage: random.pick(['candidate', 'production', 'retired']),
    accuracy: random.chance(0.05) ? 'NaN' : random.fraction(),
  }
}

function settingValue(random: Random): string {
  return JSON.stringify({ rollout_percent: random.between(0, 100), steps: random.some(['detect', 'map', 'score'], 4) })
}

export default systemDemo({
  system,
  tables: [
    tenants,
    storageRecords,
    accessPolicies,
    policyDecisions,
    serviceEndpoints,
    jobs,
    auditLog,
    frameworks,
    frameworkDocuments,
    assistantAnswers,
    qualityMeasurements,
    models,
    experiments,
    settings,
  ],
})

/** Sample data of the laboratory, and a workload on every table of it. */
import {
  PEOPLE,
  type Random,
  arrayText,
  day,
  decimal,
  distinct,
  instant,
  longTextOrNull,
  maybe,
  optional,
  sampleTable,
  sentence,
  systemDemo,
} from '@sluice/workload'
import system from './system.ts'
import * as tables from './tables.ts'

const METHODS = ['llm', 'pattern', 'hybrid', 'rag'] as const
const ENTITIES = ['sample', 'attachment', 'user', 'configuration', 'backup'] as const

function json(random: Random): string {
  return JSON.stringify({ note: sentence(random, 2, 8), value: random.between(0, 9_999), flags: [true, null, 'Größe'] })
}

function sha256(random: Random): string {
  return `\\x${random.uuid().replaceAll('-', '')}${random.uuid().replaceAll('-', '')}`
}

/** Either a value that all may read, or a secret one. */
function configured(random: Random): { readonly value: string | null; readonly secret_value: string | null } {
  return random.chance(0.3)
    ? { value: null, secret_value: `secret-${random.uuid()}` }
    : { value: json(random), secret_value: null }
}

const users = sampleTable(tables.users, {
  share: 1,
  row: (random, n) => ({
    email: `person${n}@example.com`,
    full_name: random.pick(PEOPLE),
    role: random.pick(['submitter', 'technician', 'scientist', 'administrator']),
    is_active: random.chance(0.9),
    created_at: instant(random),
  }),
  change: (random) => ({ full_name: random.pick(PEOPLE), is_active: random.chance(0.9) }),
})

const samples = sampleTable(tables.samples, {
  share: 8,
  parents: { submitter: optional(users, 0.1) },
  row: (random, n, { submitter }) => ({
    sample_id: `NP-2026-${n}`,
    sample_name: sentence(random, 1, 4).slice(0, 200),
    project_id: maybe(random, () => `P-${random.between(1, 500)}`),
    submitter_id: submitter?.id ?? null,
    submitter_name: random.pick(PEOPLE),
    lab_name: maybe(random, () => sentence(random, 1, 3).slice(0, 200)),
    sample_type: random.pick(['dna', 'rna', 'cdna', 'amplicon', 'other']),
    status: random.pick(['submitted', 'prep', 'sequencing', 'analysis', 'completed']),
    priority: random.pick(['low', 'normal', 'high', 'urgent']),
    concentration: maybe(random, () => decimal(random, 5_000, 4)),
    volume: maybe(random, () => decimal(random, 500, 2)),
    tags: arrayText(random.some(['urgent', 'größe', 'rerun', 'a,b'], 3)),
    is_rush: random.chance(0.1),
    submitted_at: instant(random),
    completed_at: maybe(random, () => instant(random), 0.7),
    updated_at: instant(random),
  }),
  change: (random) => ({
    status: random.pick(['prep', 'sequencing', 'analysis', 'completed', 'failed', 'archived']),
    sample_name: sentence(random, 1, 4).slice(0, 200),
    priority: random.pick(['low', 'normal', 'high', 'urgent']),
    updated_at: instant(random),
  }),
})

const sampleDetails = sampleTable(tables.sampleDetails, {
  share: 6,
  parents: { sample: distinct(samples) },
  row: (random, _n, { sample }) => ({
    sample_id: sample.id,
    organism: maybe(random, () => random.pick(['Homo sapiens', 'Escherichia coli', 'Danio rerio'])),
    buffer: maybe(random, () => 'TE'),
    absorbance_ratio: maybe(random, () => (random.chance(0.05) ? 'NaN' : decimal(random, 2, 3))),
    flow_cell_type: random.pick(['R9.4.1', 'R10.4.1']),
    genome_size: maybe(random, () => random.between(1, 2_000_000_000)),
    notes: longTextOrNull(random, 0.3),
    custom_fields: json(random),
    updated_at: instant(random),
  }),
  change: (random) => ({ custom_fields: json(random), buffer: sentence(random, 1, 2), updated_at: instant(random) }),
})

const processingSteps = sampleTable(tables.processingSteps, {
  share: 10,
  parents: { sample: samples, technician: optional(users, 0.4) },
  row: (random, _n, { sample, technician }) => ({
    sample_id: sample.id,
    step_name: random.pick(['quality control', 'library preparation', 'sequencing', 'basecalling', 'analysis']),
    step_order: random.between(1, 8),
    status: random.pick(['pending', 'in_progress', 'completed', 'failed', 'skipped']),
    assigned_to: technician?.id ?? null,
    results: json(random),
    notes: longTextOrNull(random, 0.6),
    started_at: maybe(random, () => instant(random)),
    completed_at: maybe(random, () => instant(random), 0.5),
  }),
  change: (random) => ({
    status: random.pick(['in_progress', 'completed', 'failed']),
    results: json(random),
    completed_at: maybe(random, () => instant(random)),
  }),
})

const attachments = sampleTable(tables.attachments, {
  share: 4,
  parents: { sample: samples, uploader: optional(users, 0.1) },
  row: (random, n, { sample, uploader }) => ({
    sample_id: sample.id,
    file_name: `report "${n}".pdf`,
    file_type: 'application/pdf',
    size_bytes: random.between(1, 900_000_000),
    sha256: sha256(random),
    extracted_text: longTextOrNull(random, 0.3),
    uploaded_by: uploader?.id ?? null,
    uploaded_at: instant(random),
  }),
  change: (random) => ({ file_type: random.pick(['application/pdf', 'text/csv']), size_bytes: random.between(1, 900_000_000) }),
})

const processingJobs = sampleTable(tables.processingJobs, {
  share: 5,
  parents: { sample: optional(samples, 0.1) },
  row: (random, _n, { sample }) => ({
    sample_id: sample?.id ?? null,
    job_type: random.pick(['extraction', 'classification', 'summary']),
    status: random.pick(['queued', 'running', 'completed', 'failed', 'cancelled']),
    priority: random.between(0, 9),
    attempts: random.between(0, 5),
    payload: json(random),
    error: maybe(random, () => sentence(random, 3, 9), 0.9),
    queued_at: instant(random),
    started_at: maybe(random, () => instant(random)),
    finished_at: maybe(random, () => instant(random)),
  }),
  change: (random) => ({
    status: random.pick(['queued', 'running', 'completed', 'failed']),
    attempts: random.between(0, 5),
    finished_at: maybe(random, () => instant(random)),
  }),
})

const extractionResults = sampleTable(tables.extractionResults, {
  share: 4,
  parents: { job: processingJobs, attachment: optional(attachments, 0.3) },
  row: (random, _n, { job, attachment }) => ({
    job_id: job.id,
    attachment_id: attachment?.id ?? null,
    extraction_method: random.pick(METHODS),
    extracted_data: json(random),
    confidence: decimal(random, 0, 4),
    validation_status: random.pick(['pending', 'valid', 'invalid', 'corrected']),
    model_name: maybe(random, () => random.pick(['small', 'large'])),
    processing_ms: random.between(1, 90_000),
    created_at: instant(random),
  }),
  change: (random) => ({
    validation_status: random.pick(['valid', 'invalid', 'corrected']),
    extracted_data: json(random),
    confidence: decimal(random, 0, 4),
  }),
})

const modelPerformance = sampleTable(tables.modelPerformance, {
  share: 1,
  row: (random) => ({
    model_name: random.pick(['small', 'large']),
    extraction_method: random.pick(METHODS),
    measured_on: day(random),
    requests: random.between(1, 10_000),
    failures: random.between(0, 100),
    average_confidence: maybe(random, () => random.fraction()),
    average_ms: random.between(1, 90_000),
    cost: decimal(random, 900, 6),
    details: json(random),
  }),
  change: (random) => ({ requests: random.between(1, 10_000), cost: decimal(random, 900, 6), details: json(random) }),
})

/** The database refuses everything else. */
const auditLogs = sampleTable(tables.auditLogs, {
  share: 8,
  parents: { user: optional(users, 0.1) },
  row: (random, _n, { user }) => ({
    entity_type: random.pick(ENTITIES),
    entity_id: random.uuid(),
    action: random.pick(['create', 'read', 'update', 'delete', 'login', 'logout', 'export']),
    severity: random.pick(['info', 'info', 'info', 'warning', 'critical']),
    is_security_event: random.chance(0.05),
    user_id: user?.id ?? null,
    ip_address: maybe(random, () => `10.0.${random.between(0, 255)}.${random.between(0, 255)}`),
    old_values: maybe(random, () => json(random), 0.5),
    new_values: maybe(random, () => json(random)),
    occurred_at: instant(random),
  }),
  isInsertOnly: true,
})

const complianceReports = sampleTable(tables.complianceReports, {
  share: 0.5,
  parents: { author: optional(users, 0.2) },
  row: (random, _n, { author }) => ({
    framework: random.pick(['ISO 27001', 'HIPAA', 'GDPR']),
    period_start: day(random),
    period_end: day(random),
    status: random.pick(['draft', 'final']),
    findings: JSON.stringify([{ finding: sentence(random, 3, 9) }]),
    score: maybe(random, () => decimal(random, 99, 2)),
    generated_by: author?.id ?? null,
    generated_at: instant(random),
  }),
  change: (random) => ({ status: 'final', score: decimal(random, 99, 2) }),
})

const retentionPolicies = sampleTable(tables.retentionPolicies, {
  share: 0.1,
  row: (random, n) => ({
    entity_type: `${random.pick(ENTITIES)} ${n}`,
    retention_days: random.between(30, 3_650),
    legal_basis: sentence(random, 2, 6),
    is_active: random.chance(0.8),
    last_applied_at: maybe(random, () => instant(random)),
    created_at: instant(random),
  }),
  change: (random) => ({ retention_days: random.between(30, 3_650), last_applied_at: instant(random) }),
})

const backupSchedules = sampleTable(tables.backupSchedules, {
  share: 0.2,
  row: (random, n) => ({
    name: `nightly ${n}`,
    database_name: random.pick(['nanopore_samples', 'nanopore_ai', 'nanopore_audit', 'nanopore_backup', 'nanopore_config']),
    cron: `${random.between(0, 59)} 2 * * *`,
    retention_days: random.between(7, 365),
    is_compressed: random.chance(0.9),
    is_encrypted: random.chance(0.9),
    is_active: random.chance(0.9),
  }),
  change: (random) => ({ retention_days: random.between(7, 365), is_active: random.chance(0.9) }),
})

const backupJobs = sampleTable(tables.backupJobs, {
  share: 2,
  parents: { schedule: optional(backupSchedules, 0.1) },
  row: (random, _n, { schedule }) => ({
    schedule_id: schedule?.id ?? null,
    status: random.pick(['scheduled', 'running', 'completed', 'failed']),
    size_bytes: maybe(random, () => random.between(1, 900_000_000)),
    error: maybe(random, () => sentence(random, 3, 9), 0.9),
    started_at: maybe(random, () => instant(random)),
    finished_at: maybe(random, () => instant(random)),
  }),
  change: (random) => ({ status: random.pick(['running', 'completed', 'failed']), size_bytes: random.between(1, 900_000_000) }),
})

const backupMetadata = sampleTable(tables.backupMetadata, {
  share: 1,
  parents: { job: distinct(backupJobs) },
  row: (random, n, { job }) => ({
    job_id: job.id,
    location: `s3://backups/${n}`,
    sha256: sha256(random),
    compression: maybe(random, () => 'zstd'),
    encryption: maybe(random, () => 'AES-256-GCM'),
    table_rows: JSON.stringify({ nanopore_samples: random.between(0, 90_000) }),
    verified_at: maybe(random, () => instant(random)),
  }),
  change: (random) => ({ verified_at: instant(random), compression: maybe(random, () => 'gzip') }),
})

const applicationConfigs = sampleTable(tables.applicationConfigs, {
  share: 1,
  parents: { author: optional(users, 0.2) },
  row: (random, n, { author }) => ({
    environment: random.pick(['development', 'staging', 'production']),
    config_key: `service.${n}.setting`,
    ...configured(random),
    description: maybe(random, () => sentence(random, 3, 9)),
    version: random.between(1, 20),
    updated_by: author?.id ?? null,
    updated_at: instant(random),
  }),
  change: (random) => ({ ...configured(random), version: random.between(1, 20), updated_at: instant(random) }),
})

const featureFlags = sampleTable(tables.featureFlags, {
  share: 0.5,
  row: (random, n) => ({
    flag_key: `flag.${n}`,
    description: maybe(random, () => sentence(random, 3, 9)),
    is_enabled: random.chance(0.5),
    rollout_percentage: random.between(0, 100),
    target_groups: arrayText(random.some(['laboratory', 'beta', 'a,b'], 2)),
    updated_at: instant(random),
  }),
  change: (random) => ({
    is_enabled: random.chance(0.5),
    rollout_percentage: random.between(0, 100),
    updated_at: instant(random),
  }),
})

const configHistory = sampleTable(tables.configHistory, {
  share: 2,
  parents: { config: applicationConfigs, author: optional(users, 0.2) },
  row: (random, _n, { config, author }) => {
    const [former, present] = [configured(random), configured(random)]
    return {
      config_id: config.id,
      change: random.pick(['created', 'updated', 'deleted']),
      old_value: former.value,
      new_value: present.value,
      old_secret_value: former.secret_value,
      new_secret_value: present.secret_value,
      changed_by: author?.id ?? null,
      changed_at: instant(random),
    }
  },
  // An author who leaves is set to NULL by the foreign key; the application only adds.
  isInsertOnly: true,
})

export default systemDemo({
  system,
  tables: [
    users,
    samples,
    sampleDetails,
    processingSteps,
    attachments,
    processingJobs,
    extractionResults,
    modelPerformance,
    auditLogs,
    complianceReports,
    retentionPolicies,
    backupSchedules,
    backupJobs,
    backupMetadata,
    applicationConfigs,
    featureFlags,
    configHistory,
  ],
})

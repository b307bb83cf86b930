/** The monolith's tables as they are captured, see `monolith/0001_nanopore.sql`. A topic each. */
import {
  arrayOf,
  bigint,
  boolean,
  bytea,
  date,
  double,
  encrypt,
  enumType,
  integer,
  jsonb,
  numeric,
  other,
  smallint,
  table,
  text,
  timestamptz,
  topic,
  uuid,
  varchar,
} from '@sluice/system'

const EXTRACTION_METHODS = ['llm', 'pattern', 'hybrid', 'rag'] as const

/** The plan gives users to none of the five services; their events are there for the one that comes. */
export const users = table('users', {
  aggregate: 'User',
  key: ['id'],
  topic: topic('nanopore.users'),
  columns: {
    id: uuid(),
    email: text(),
    full_name: text(),
    role: enumType('public.user_role', ['submitter', 'technician', 'scientist', 'administrator']),
    is_active: boolean(),
    created_at: timestamptz(),
  },
})

export const samples = table('nanopore_samples', {
  aggregate: 'Sample',
  key: ['id'],
  topic: topic('nanopore.samples'),
  columns: {
    id: uuid(),
    sample_id: varchar(50),
    sample_name: varchar(200),
    project_id: varchar(100).nullable(),
    submitter_id: uuid().nullable(),
    submitter_name: varchar(200),
    lab_name: varchar(200).nullable(),
    sample_type: enumType('public.sample_type', ['dna', 'rna', 'cdna', 'amplicon', 'other']),
    status: enumType('public.sample_status', ['submitted', 'prep', 'sequencing', 'analysis', 'completed', 'failed', 'archived']),
    priority: enumType('public.sample_priority', ['low', 'normal', 'high', 'urgent']),
    concentration: numeric(12, 4).nullable(),
    volume: numeric(10, 2).nullable(),
    tags: arrayOf(text()),
    is_rush: boolean(),
    submitted_at: timestamptz(),
    completed_at: timestamptz().nullable(),
    updated_at: timestamptz(),
  },
})

export const sampleDetails = table('nanopore_sample_details', {
  aggregate: 'SampleDetails',
  key: ['id'],
  topic: topic('nanopore.sample_details'),
  columns: {
    id: uuid(),
    sample_id: uuid(),
    organism: text().nullable(),
    buffer: text().nullable(),
    absorbance_ratio: double().nullable(),
    flow_cell_type: text().nullable(),
    genome_size: bigint().nullable(),
    notes: text().nullable(),
    custom_fields: jsonb(),
    updated_at: timestamptz(),
  },
})

export const processingSteps = table('nanopore_processing_steps', {
  aggregate: 'ProcessingStep',
  key: ['id'],
  topic: topic('nanopore.processing_steps'),
  columns: {
    id: uuid(),
    sample_id: uuid(),
    step_name: text(),
    step_order: smallint(),
    status: enumType('public.step_status', ['pending', 'in_progress', 'completed', 'failed', 'skipped']),
    assigned_to: uuid().nullable(),
    results: jsonb(),
    notes: text().nullable(),
    started_at: timestamptz().nullable(),
    completed_at: timestamptz().nullable(),
  },
})

export const attachments = table('nanopore_attachments', {
  aggregate: 'Attachment',
  key: ['id'],
  topic: topic('nanopore.attachments'),
  columns: {
    id: uuid(),
    sample_id: uuid(),
    file_name: text(),
    file_type: text(),
    size_bytes: bigint(),
    sha256: bytea(),
    extracted_text: text().nullable(),
    uploaded_by: uuid().nullable(),
    uploaded_at: timestamptz(),
  },
})

export const processingJobs = table('ai_processing_jobs', {
  aggregate: 'ProcessingJob',
  key: ['id'],
  topic: topic('nanopore.processing_jobs'),
  columns: {
    id: uuid(),
    sample_id: uuid().nullable(),
    job_type: text(),
    status: enumType('public.job_status', ['queued', 'running', 'completed', 'failed', 'cancelled']),
    priority: smallint(),
    attempts: smallint(),
    payload: jsonb(),
    error: text().nullable(),
    queued_at: timestamptz(),
    started_at: timestamptz().nullable(),
    finished_at: timestamptz().nullable(),
  },
})

export const extractionResults = table('ai_extraction_results', {
  aggregate: 'ExtractionResult',
  key: ['id'],
  topic: topic('nanopore.extraction_results'),
  columns: {
    id: uuid(),
    job_id: uuid(),
    attachment_id: uuid().nullable(),
    extraction_method: enumType('public.extraction_method', EXTRACTION_METHODS),
    extracted_data: jsonb(),
    confidence: numeric(5, 4),
    validation_status: enumType('public.validation_status', ['pending', 'valid', 'invalid', 'corrected']),
    model_name: text().nullable(),
    processing_ms: integer(),
    created_at: timestamptz(),
  },
})

export const modelPerformance = table('ai_model_performance', {
  aggregate: 'ModelPerformance',
  key: ['id'],
  topic: topic('nanopore.model_performance'),
  columns: {
    id: uuid(),
    model_name: text(),
    extraction_method: enumType('public.extraction_method', EXTRACTION_METHODS),
    measured_on: date(),
    requests: integer(),
    failures: integer(),
    average_confidence: double().nullable(),
    average_ms: integer(),
    cost: numeric(12, 6),
    details: jsonb(),
  },
})

export const auditLogs = table('audit_logs', {
  aggregate: 'AuditLog',
  key: ['id'],
  topic: topic('nanopore.audit_logs'),
  columns: {
    id: uuid(),
    entity_type: text(),
    entity_id: text(),
    action: enumType('public.audit_action', ['create', 'read', 'update', 'delete', 'login', 'logout', 'export']),
    severity: enumType('public.audit_severity', ['info', 'warning', 'critical']),
    is_security_event: boolean(),
    user_id: uuid().nullable(),
    ip_address: other('inet').nullable(),
    old_values: jsonb().nullable(),
    new_values: jsonb().nullable(),
    occurred_at: timestamptz(),
  },
})

export const complianceReports = table('compliance_reports', {
  aggregate: 'ComplianceReport',
  key: ['id'],
  topic: topic('nanopore.compliance_reports'),
  columns: {
    id: uuid(),
    framework: text(),
    period_start: date(),
    period_end: date(),
    status: enumType('public.report_status', ['draft', 'final']),
    findings: jsonb(),
    score: numeric(5, 2).nullable(),
    generated_by: uuid().nullable(),
    generated_at: timestamptz(),
  },
})

export const retentionPolicies = table('retention_policies', {
  aggregate: 'RetentionPolicy',
  key: ['id'],
  topic: topic('nanopore.retention_policies'),
  columns: {
    id: uuid(),
    entity_type: text(),
    retention_days: integer(),
    legal_basis: text(),
    is_active: boolean(),
    last_applied_at: timestamptz().nullable(),
    created_at: timestamptz(),
  },
})

export const backupSchedules = table('backup_schedules', {
  aggregate: 'BackupSchedule',
  key: ['id'],
  topic: topic('nanopore.backup_schedules'),
  columns: {
    id: uuid(),
    name: text(),
    database_name: text(),
    cron: text(),
    retention_days: integer(),
    is_compressed: boolean(),
    is_encrypted: boolean(),
    is_active: boolean(),
  },
})

export const backupJobs = table('backup_jobs', {
  aggregate: 'BackupJob',
  key: ['id'],
  topic: topic('nanopore.backup_jobs'),
  columns: {
    id: uuid(),
    schedule_id: uuid().nullable(),
    status: enumType('public.backup_status', ['scheduled', 'running', 'completed', 'failed']),
    size_bytes: bigint().nullable(),
    error: text().nullable(),
    started_at: timestamptz().nullable(),
    finished_at: timestamptz().nullable(),
  },
})

export const backupMetadata = table('backup_metadata', {
  aggregate: 'BackupMetadata',
  key: ['id'],
  topic: topic('nanopore.backup_metadata'),
  columns: {
    id: uuid(),
    job_id: uuid(),
    location: text(),
    sha256: bytea(),
    compression: text().nullable(),
    encryption: text().nullable(),
    table_rows: jsonb(),
    verified_at: timestamptz().nullable(),
  },
})

/** Each configuration has a key of its own: destroying it ends a secret in the history, too. */
const CONFIGURATION = 'configuration'

export const applicationConfigs = table('application_configs', {
  aggregate: 'ApplicationConfig',
  key: ['id'],
  topic: topic('nanopore.application_configs'),
  columns: {
    id: uuid(),
    environment: enumType('public.deployment_environment', ['development', 'staging', 'production']),
    config_key: text(),
    value: jsonb().nullable(),
    secret_value: text().nullable(),
    description: text().nullable(),
    version: integer(),
    updated_by: uuid().nullable(),
    updated_at: timestamptz(),
  },
  privacy: { secret_value: encrypt({ subject: 'id', kind: CONFIGURATION }) },
})

export const featureFlags = table('feature_flags', {
  aggregate: 'FeatureFlag',
  key: ['id'],
  topic: topic('nanopore.feature_flags'),
  columns: {
    id: uuid(),
    flag_key: text(),
    description: text().nullable(),
    is_enabled: boolean(),
    rollout_percentage: smallint(),
    target_groups: arrayOf(text()),
    updated_at: timestamptz(),
  },
})

export const configHistory = table('config_history', {
  aggregate: 'ConfigChange',
  key: ['id'],
  topic: topic('nanopore.config_history'),
  columns: {
    id: uuid(),
    config_id: uuid(),
    change: enumType('public.config_change', ['created', 'updated', 'deleted']),
    old_value: jsonb().nullable(),
    new_value: jsonb().nullable(),
    old_secret_value: text().nullable(),
    new_secret_value: text().nullable(),
    changed_by: uuid().nullable(),
    changed_at: timestamptz(),
  },
  privacy: {
    old_secret_value: encrypt({ subject: 'config_id', kind: CONFIGURATION }),
    new_secret_value: encrypt({ subject: 'config_id', kind: CONFIGURATION }),
  },
})

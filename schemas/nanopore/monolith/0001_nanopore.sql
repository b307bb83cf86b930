-- Up Migration

-- Samples and users are the monolith of the plan; the tables of the other four databases, in the same one, are theirs.

CREATE TYPE user_role AS ENUM ('submitter', 'technician', 'scientist', 'administrator');
CREATE TYPE sample_type AS ENUM ('dna', 'rna', 'cdna', 'amplicon', 'other');
CREATE TYPE sample_status AS ENUM ('submitted', 'prep', 'sequencing', 'analysis', 'completed', 'failed', 'archived');
CREATE TYPE sample_priority AS ENUM ('low', 'normal', 'high', 'urgent');
CREATE TYPE step_status AS ENUM ('pending', 'in_progress', 'completed', 'failed', 'skipped');
CREATE TYPE job_status AS ENUM ('queued', 'running', 'completed', 'failed', 'cancelled');
CREATE TYPE extraction_method AS ENUM ('llm', 'pattern', 'hybrid', 'rag');
CREATE TYPE validation_status AS ENUM ('pending', 'valid', 'invalid', 'corrected');
CREATE TYPE audit_action AS ENUM ('create', 'read', 'update', 'delete', 'login', 'logout', 'export');
CREATE TYPE audit_severity AS ENUM ('info', 'warning', 'critical');
CREATE TYPE report_status AS ENUM ('draft', 'final');
CREATE TYPE backup_status AS ENUM ('scheduled', 'running', 'completed', 'failed');
CREATE TYPE deployment_environment AS ENUM ('development', 'staging', 'production');
CREATE TYPE config_change AS ENUM ('created', 'updated', 'deleted');

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email text NOT NULL UNIQUE,
  full_name text NOT NULL,
  role user_role NOT NULL DEFAULT 'submitter',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE nanopore_samples (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id varchar(50) NOT NULL UNIQUE,
  sample_name varchar(200) NOT NULL,
  project_id varchar(100),
  submitter_id uuid REFERENCES users (id) ON DELETE SET NULL,
  submitter_name varchar(200) NOT NULL,
  lab_name varchar(200),
  sample_type sample_type NOT NULL,
  status sample_status NOT NULL DEFAULT 'submitted',
  priority sample_priority NOT NULL DEFAULT 'normal',
  concentration numeric(12, 4),
  volume numeric(10, 2),
  tags text[] NOT NULL DEFAULT '{}',
  is_rush boolean NOT NULL DEFAULT false,
  submitted_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX nanopore_samples_status ON nanopore_samples (status, priority);
CREATE INDEX nanopore_samples_submitter ON nanopore_samples (submitter_id);

CREATE TABLE nanopore_sample_details (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid NOT NULL UNIQUE REFERENCES nanopore_samples (id) ON DELETE CASCADE,
  organism text,
  buffer text,
  absorbance_ratio double precision,
  flow_cell_type text,
  genome_size bigint,
  notes text,
  custom_fields jsonb NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE nanopore_processing_steps (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid NOT NULL REFERENCES nanopore_samples (id) ON DELETE CASCADE,
  step_name text NOT NULL,
  step_order smallint NOT NULL,
  status step_status NOT NULL DEFAULT 'pending',
  assigned_to uuid REFERENCES users (id) ON DELETE SET NULL,
  results jsonb NOT NULL DEFAULT '{}',
  notes text,
  started_at timestamptz,
  completed_at timestamptz
);
CREATE INDEX nanopore_processing_steps_sample ON nanopore_processing_steps (sample_id, step_order);
CREATE INDEX nanopore_processing_steps_assigned ON nanopore_processing_steps (assigned_to);

CREATE TABLE nanopore_attachments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid NOT NULL REFERENCES nanopore_samples (id) ON DELETE CASCADE,
  file_name text NOT NULL,
  file_type text NOT NULL,
  size_bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  extracted_text text,
  uploaded_by uuid REFERENCES users (id) ON DELETE SET NULL,
  uploaded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX nanopore_attachments_sample ON nanopore_attachments (sample_id);
CREATE INDEX nanopore_attachments_uploader ON nanopore_attachments (uploaded_by);

CREATE TABLE ai_processing_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid REFERENCES nanopore_samples (id) ON DELETE SET NULL,
  job_type text NOT NULL,
  status job_status NOT NULL DEFAULT 'queued',
  priority smallint NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0,
  payload jsonb NOT NULL DEFAULT '{}',
  error text,
  queued_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz
);
CREATE INDEX ai_processing_jobs_sample ON ai_processing_jobs (sample_id);

CREATE TABLE ai_extraction_results (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_id uuid NOT NULL REFERENCES ai_processing_jobs (id) ON DELETE CASCADE,
  attachment_id uuid REFERENCES nanopore_attachments (id) ON DELETE SET NULL,
  extraction_method extraction_method NOT NULL,
  extracted_data jsonb NOT NULL,
  confidence numeric(5, 4) NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  validation_status validation_status NOT NULL DEFAULT 'pending',
  model_name text,
  processing_ms integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ai_extraction_results_job ON ai_extraction_results (job_id);
CREATE INDEX ai_extraction_results_attachment ON ai_extraction_results (attachment_id);

CREATE TABLE ai_model_performance (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  model_name text NOT NULL,
  extraction_method extraction_method NOT NULL,
  measured_on date NOT NULL,
  requests integer NOT NULL,
  failures integer NOT NULL,
  average_confidence double precision,
  average_ms integer NOT NULL,
  cost numeric(12, 6) NOT NULL DEFAULT 0,
  details jsonb NOT NULL DEFAULT '{}'
);

-- No foreign key: a record says what was, whoever is deleted later.
CREATE TABLE audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_type text NOT NULL,
  entity_id text NOT NULL,
  action audit_action NOT NULL,
  severity audit_severity NOT NULL DEFAULT 'info',
  is_security_event boolean NOT NULL DEFAULT false,
  user_id uuid,
  ip_address inet,
  old_values jsonb,
  new_values jsonb,
  occurred_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_logs_entity ON audit_logs (entity_type, occurred_at);

CREATE TABLE compliance_reports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  framework text NOT NULL,
  period_start date NOT NULL,
  period_end date NOT NULL,
  status report_status NOT NULL DEFAULT 'draft',
  findings jsonb NOT NULL DEFAULT '[]',
  score numeric(5, 2),
  generated_by uuid REFERENCES users (id) ON DELETE SET NULL,
  generated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX compliance_reports_author ON compliance_reports (generated_by);

CREATE TABLE retention_policies (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_type text NOT NULL UNIQUE,
  retention_days integer NOT NULL CHECK (retention_days > 0),
  legal_basis text NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  last_applied_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE backup_schedules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE,
  database_name text NOT NULL,
  cron text NOT NULL,
  retention_days integer NOT NULL CHECK (retention_days > 0),
  is_compressed boolean NOT NULL DEFAULT true,
  is_encrypted boolean NOT NULL DEFAULT true,
  is_active boolean NOT NULL DEFAULT true
);

CREATE TABLE backup_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  schedule_id uuid REFERENCES backup_schedules (id) ON DELETE SET NULL,
  status backup_status NOT NULL DEFAULT 'scheduled',
  size_bytes bigint,
  error text,
  started_at timestamptz,
  finished_at timestamptz
);
CREATE INDEX backup_jobs_schedule ON backup_jobs (schedule_id);

CREATE TABLE backup_metadata (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_id uuid NOT NULL UNIQUE REFERENCES backup_jobs (id) ON DELETE CASCADE,
  location text NOT NULL,
  sha256 bytea NOT NULL,
  compression text,
  encryption text,
  table_rows jsonb NOT NULL DEFAULT '{}',
  verified_at timestamptz
);

CREATE TABLE application_configs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  environment deployment_environment NOT NULL,
  config_key text NOT NULL,
  value jsonb,
  -- What must not be read by who reads the others.
  secret_value text,
  description text,
  version integer NOT NULL DEFAULT 1,
  updated_by uuid REFERENCES users (id) ON DELETE SET NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (environment, config_key),
  CHECK (num_nonnulls(value, secret_value) = 1)
);
CREATE INDEX application_configs_author ON application_configs (updated_by);

CREATE TABLE feature_flags (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  flag_key text NOT NULL UNIQUE,
  description text,
  is_enabled boolean NOT NULL DEFAULT false,
  rollout_percentage smallint NOT NULL DEFAULT 0 CHECK (rollout_percentage BETWEEN 0 AND 100),
  target_groups text[] NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- The configuration may be gone: no foreign key.
CREATE TABLE config_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  config_id uuid NOT NULL,
  change config_change NOT NULL,
  old_value jsonb,
  new_value jsonb,
  old_secret_value text,
  new_secret_value text,
  changed_by uuid REFERENCES users (id) ON DELETE SET NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX config_history_config ON config_history (config_id, changed_at);
CREATE INDEX config_history_author ON config_history (changed_by);

-- Down Migration

DROP TABLE config_history, feature_flags, application_configs, backup_metadata, backup_jobs, backup_schedules, retention_policies,
  compliance_reports, audit_logs, ai_model_performance, ai_extraction_results, ai_processing_jobs, nanopore_attachments,
  nanopore_processing_steps, nanopore_sample_details, nanopore_samples, users;
DROP TYPE config_change, deployment_environment, backup_status, report_status, audit_severity, audit_action, validation_status,
  extraction_method, job_status, step_status, sample_priority, sample_status, sample_type, user_role;

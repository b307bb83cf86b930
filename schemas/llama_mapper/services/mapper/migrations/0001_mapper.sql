-- Up Migration

CREATE TABLE mapping_requests (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  detector_type text NOT NULL,
  content_hash text NOT NULL,
  status text NOT NULL,
  requested_at timestamptz NOT NULL
);
CREATE INDEX mapping_requests_tenant ON mapping_requests (tenant_id, requested_at);

CREATE TABLE mapping_results (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  taxonomy text NOT NULL,
  canonical_label text NOT NULL,
  framework text,
  mapped_data jsonb NOT NULL,
  confidence numeric(5, 4),
  is_confident boolean NOT NULL,
  mapped_at timestamptz NOT NULL
);
CREATE INDEX mapping_results_tenant ON mapping_results (tenant_id, canonical_label);

CREATE TABLE model_inferences (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  model_name text NOT NULL,
  model_version text NOT NULL,
  tokens bigint NOT NULL,
  duration_ms integer NOT NULL,
  cost_usd numeric(12, 6) NOT NULL,
  inferred_at timestamptz NOT NULL
);
CREATE INDEX model_inferences_tenant ON model_inferences (tenant_id, model_name, inferred_at);

CREATE TABLE storage_artifacts (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  uri text NOT NULL,
  size_bytes bigint,
  stored_at timestamptz NOT NULL
);
CREATE INDEX storage_artifacts_tenant ON storage_artifacts (tenant_id, stored_at);

CREATE TABLE cost_metrics (
  tenant_id text NOT NULL,
  day date NOT NULL,
  model_name text NOT NULL,
  inferences bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cost_usd numeric(20, 6) NOT NULL,
  PRIMARY KEY (tenant_id, day, model_name)
);

CREATE TABLE model_versions (
  tenant_id text NOT NULL,
  model_name text NOT NULL,
  model_version text NOT NULL,
  inferences bigint NOT NULL,
  failures bigint NOT NULL,
  confidence_total numeric(20, 4) NOT NULL,
  PRIMARY KEY (tenant_id, model_name, model_version)
);

CREATE TABLE taxonomies (
  tenant_id text NOT NULL,
  taxonomy text NOT NULL,
  label text NOT NULL,
  mappings bigint NOT NULL,
  PRIMARY KEY (tenant_id, taxonomy, label)
);

-- What each record counts for at present: costs, versions and taxonomies move by the difference to it.
CREATE TABLE grouped_records (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  status text NOT NULL,
  taxonomy text,
  canonical_label text,
  model_name text,
  model_version text,
  confidence numeric(5, 4),
  input_tokens integer NOT NULL,
  output_tokens integer NOT NULL,
  cost_usd numeric(12, 6) NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE training_jobs (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  status text NOT NULL,
  base_model text,
  progress numeric(5, 2) NOT NULL,
  error text,
  created_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE INDEX training_jobs_tenant ON training_jobs (tenant_id, created_at);

CREATE TABLE deployment_experiments (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  name text NOT NULL,
  control_version text NOT NULL,
  candidate_version text NOT NULL,
  traffic_percent integer NOT NULL CHECK (traffic_percent BETWEEN 0 AND 100),
  status text NOT NULL,
  metrics jsonb NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX deployment_experiments_tenant ON deployment_experiments (tenant_id, started_at);

CREATE TABLE framework_configs (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  code text NOT NULL,
  title text NOT NULL,
  version text NOT NULL,
  settings jsonb NOT NULL,
  is_enabled boolean NOT NULL,
  UNIQUE (tenant_id, code)
);

CREATE TABLE validation_schemas (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  name text NOT NULL,
  schema jsonb NOT NULL,
  is_enabled boolean NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);

CREATE TABLE feature_flags (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  name text NOT NULL,
  is_enabled boolean NOT NULL,
  rollout_percent integer NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);

-- Down Migration

DROP TABLE feature_flags, validation_schemas, framework_configs, deployment_experiments, training_jobs, grouped_records, taxonomies,
  model_versions, cost_metrics, storage_artifacts, model_inferences, mapping_results, mapping_requests;

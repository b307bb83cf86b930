-- Up Migration

-- Made by sluice provision where its role may; here for whoever applies this file alone.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE analysis_requests (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  detector_type text NOT NULL,
  content_hash text NOT NULL,
  status text NOT NULL,
  requested_at timestamptz NOT NULL
);
CREATE INDEX analysis_requests_tenant ON analysis_requests (tenant_id, requested_at);

CREATE TABLE canonical_results (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  taxonomy text NOT NULL,
  canonical_label text NOT NULL,
  scores jsonb NOT NULL,
  mapped_data jsonb NOT NULL,
  confidence numeric(5, 4),
  updated_at timestamptz NOT NULL
);
CREATE INDEX canonical_results_tenant ON canonical_results (tenant_id, canonical_label);

CREATE TABLE risk_scores (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  -- 0 to 100.
  score numeric(6, 2) NOT NULL,
  level text NOT NULL CHECK (level IN ('low', 'medium', 'high')),
  confidence numeric(5, 4) NOT NULL,
  confidence_metrics jsonb NOT NULL
);
CREATE INDEX risk_scores_tenant ON risk_scores (tenant_id, level);

CREATE TABLE compliance_mappings (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  framework text NOT NULL,
  canonical_label text NOT NULL,
  detector_type text NOT NULL,
  mapped_at timestamptz NOT NULL
);
CREATE INDEX compliance_mappings_tenant ON compliance_mappings (tenant_id, framework);

CREATE TABLE pattern_analysis (
  tenant_id text NOT NULL,
  detector_type text NOT NULL,
  canonical_label text NOT NULL,
  occurrences bigint NOT NULL,
  confidence_total numeric(20, 4) NOT NULL,
  PRIMARY KEY (tenant_id, detector_type, canonical_label)
);

CREATE TABLE tenant_analytics (
  tenant_id text NOT NULL,
  day date NOT NULL,
  records bigint NOT NULL,
  mapped bigint NOT NULL,
  failed bigint NOT NULL,
  PRIMARY KEY (tenant_id, day)
);

-- What each record counts for at present: patterns and days move by the difference to it.
CREATE TABLE grouped_records (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  detector_type text NOT NULL,
  status text NOT NULL,
  canonical_label text,
  confidence numeric(5, 4),
  created_at timestamptz NOT NULL
);

CREATE TABLE knowledge_base (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  framework text NOT NULL,
  section text NOT NULL,
  title text NOT NULL,
  content text NOT NULL,
  embedding vector(16),
  updated_at timestamptz NOT NULL
);
CREATE INDEX knowledge_base_tenant ON knowledge_base (tenant_id, framework);
CREATE INDEX knowledge_base_embedding ON knowledge_base USING hnsw (embedding vector_cosine_ops);

CREATE TABLE rag_insights (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  question_hash text NOT NULL,
  answer text NOT NULL,
  document_ids uuid[] NOT NULL,
  embedding vector(16),
  confidence numeric(5, 4) NOT NULL,
  answered_at timestamptz NOT NULL
);
CREATE INDEX rag_insights_tenant ON rag_insights (tenant_id, answered_at);

CREATE TABLE quality_metrics (
  id bigint PRIMARY KEY,
  tenant_id text NOT NULL,
  metric text NOT NULL,
  value numeric(10, 4) NOT NULL,
  threshold numeric(10, 4) NOT NULL,
  sample_size integer NOT NULL,
  measured_at timestamptz NOT NULL
);
CREATE INDEX quality_metrics_tenant ON quality_metrics (tenant_id, metric, measured_at);

CREATE TABLE quality_alerts (
  id bigint PRIMARY KEY,
  tenant_id text NOT NULL,
  metric text NOT NULL,
  shortfall numeric(10, 4) NOT NULL,
  severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
  raised_at timestamptz NOT NULL
);
CREATE INDEX quality_alerts_tenant ON quality_alerts (tenant_id, raised_at);

CREATE TABLE weekly_evaluations (
  tenant_id text NOT NULL,
  week date NOT NULL,
  metric text NOT NULL,
  measurements bigint NOT NULL,
  value_total numeric(20, 4) NOT NULL,
  below_threshold bigint NOT NULL,
  sample_size bigint NOT NULL,
  mean numeric(12, 4) GENERATED ALWAYS AS (value_total / nullif(measurements, 0)) STORED,
  PRIMARY KEY (tenant_id, week, metric)
);

-- What each measurement counts for at present.
CREATE TABLE grouped_measurements (
  id bigint PRIMARY KEY,
  tenant_id text NOT NULL,
  metric text NOT NULL,
  value numeric(10, 4) NOT NULL,
  threshold numeric(10, 4) NOT NULL,
  sample_size integer NOT NULL,
  measured_at timestamptz NOT NULL
);

CREATE TABLE ml_models (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  name text NOT NULL,
  version text NOT NULL,
  family text NOT NULL,
  stage text NOT NULL,
  parameters jsonb NOT NULL,
  accuracy double precision,
  registered_at timestamptz NOT NULL
);
CREATE INDEX ml_models_tenant ON ml_models (tenant_id, name);

CREATE TABLE analysis_pipelines (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  name text NOT NULL,
  steps jsonb NOT NULL,
  is_enabled boolean NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);

-- Down Migration

DROP TABLE analysis_pipelines, ml_models, grouped_measurements, weekly_evaluations, quality_alerts, quality_metrics, rag_insights,
  knowledge_base, grouped_records, tenant_analytics, pattern_analysis, compliance_mappings, risk_scores, canonical_results,
  analysis_requests;

-- Up Migration

-- One run of one detector. Of what it looked at there is a hash, nothing else.
CREATE TABLE detector_executions (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  detector_type text NOT NULL,
  detector_version text NOT NULL,
  content_hash text NOT NULL,
  status text NOT NULL CHECK (status IN ('completed', 'failed')),
  confidence numeric(5, 4),
  duration_ms integer NOT NULL,
  executed_at timestamptz NOT NULL
);
CREATE INDEX detector_executions_tenant ON detector_executions (tenant_id, executed_at);
CREATE INDEX detector_executions_request ON detector_executions (request_id);

-- A detector for every type that ran. The first columns are counted; the others begin with their defaults and are the service's own.
CREATE TABLE detectors (
  tenant_id text NOT NULL,
  detector_type text NOT NULL,
  executions bigint NOT NULL,
  failures bigint NOT NULL,
  duration_ms bigint NOT NULL,
  mean_duration_ms numeric(12, 2) GENERATED ALWAYS AS (duration_ms::numeric / nullif(executions, 0)) STORED,
  is_enabled boolean NOT NULL DEFAULT true,
  timeout_ms integer NOT NULL DEFAULT 5000,
  circuit_state text NOT NULL DEFAULT 'closed' CHECK (circuit_state IN ('closed', 'half_open', 'open')),
  PRIMARY KEY (tenant_id, detector_type)
);

-- The runs of one request together.
CREATE TABLE orchestration_requests (
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  executions bigint NOT NULL,
  failures bigint NOT NULL,
  pending bigint NOT NULL,
  duration_ms bigint NOT NULL,
  status text GENERATED ALWAYS AS (
    CASE WHEN pending > 0 THEN 'running' WHEN failures = executions THEN 'failed' WHEN failures > 0 THEN 'partial' ELSE 'completed' END
  ) STORED,
  PRIMARY KEY (tenant_id, request_id)
);

-- What each run counts for at present: detectors and requests move by the difference to it.
CREATE TABLE grouped_executions (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  detector_type text NOT NULL,
  status text NOT NULL,
  duration_ms integer NOT NULL
);

CREATE TABLE policies (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  name text NOT NULL,
  rego text NOT NULL,
  priority integer NOT NULL,
  is_active boolean NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);

CREATE TABLE policy_enforcements (
  id bigint PRIMARY KEY,
  tenant_id text NOT NULL,
  policy_id uuid NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  request_id uuid NOT NULL,
  decision text NOT NULL,
  is_blocking boolean NOT NULL,
  reasons text[] NOT NULL,
  enforced_at timestamptz NOT NULL
);
CREATE INDEX policy_enforcements_policy ON policy_enforcements (policy_id);
CREATE INDEX policy_enforcements_tenant ON policy_enforcements (tenant_id, enforced_at);

CREATE TABLE rate_limits (
  tenant_id text PRIMARY KEY,
  requests_per_minute integer NOT NULL,
  burst integer NOT NULL,
  requests_per_day bigint NOT NULL
);

CREATE TABLE service_registry (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  service text NOT NULL,
  url text NOT NULL,
  version text NOT NULL,
  health text NOT NULL,
  heartbeat_at timestamptz NOT NULL
);
CREATE INDEX service_registry_tenant ON service_registry (tenant_id, service);

CREATE TABLE async_jobs (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  kind text NOT NULL,
  status text NOT NULL,
  payload jsonb NOT NULL,
  progress numeric(5, 2) NOT NULL,
  error text,
  created_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE INDEX async_jobs_tenant ON async_jobs (tenant_id, created_at);

CREATE TABLE orchestration_audit (
  id bigint PRIMARY KEY,
  tenant_id text NOT NULL,
  actor_id text NOT NULL,
  -- Encrypted for the actor; the service has no key.
  actor_email text NOT NULL,
  action text NOT NULL,
  details jsonb NOT NULL,
  occurred_at timestamptz NOT NULL
);
CREATE INDEX orchestration_audit_tenant ON orchestration_audit (tenant_id, occurred_at);

-- Down Migration

DROP TABLE orchestration_audit, async_jobs, service_registry, rate_limits, policy_enforcements, policies, grouped_executions,
  orchestration_requests, detectors, detector_executions;

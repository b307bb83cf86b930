-- Up Migration

-- A read-only copy of what integrity_service owns.
CREATE TABLE audit_logs (
  id bigint PRIMARY KEY,
  chain_id uuid NOT NULL,
  sequence_number bigint NOT NULL,
  service text NOT NULL,
  action text NOT NULL,
  occurred_at timestamptz NOT NULL,
  entry_hash bytea NOT NULL
);

CREATE TABLE verification_rules (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  expression text NOT NULL,
  severity smallint NOT NULL CHECK (severity BETWEEN 1 AND 5),
  is_active boolean NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE z3_models (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL REFERENCES verification_rules,
  model text NOT NULL,
  variables text[] NOT NULL,
  is_satisfiable boolean,
  created_at timestamptz NOT NULL
);
CREATE INDEX z3_models_rule ON z3_models (rule_id);

CREATE TABLE proof_results (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL REFERENCES verification_rules,
  z3_model_id uuid REFERENCES z3_models ON DELETE SET NULL,
  audit_log_id bigint NOT NULL REFERENCES audit_logs,
  outcome text NOT NULL CHECK (outcome IN ('proved', 'refuted', 'timeout')),
  solver_time interval NOT NULL,
  proven_at timestamptz NOT NULL
);
CREATE INDEX proof_results_rule ON proof_results (rule_id);
CREATE INDEX proof_results_z3_model ON proof_results (z3_model_id);
CREATE INDEX proof_results_audit_log ON proof_results (audit_log_id);

-- Down Migration

DROP TABLE proof_results, z3_models, verification_rules, audit_logs;

-- Up Migration

-- A read-only copy of what auth_service owns.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  username text NOT NULL,
  full_name text NOT NULL,
  is_active boolean NOT NULL
);

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

CREATE TABLE policies (
  id uuid PRIMARY KEY,
  author_id uuid NOT NULL REFERENCES users,
  title text NOT NULL,
  version integer NOT NULL,
  body text NOT NULL,
  status text NOT NULL CHECK (status IN ('draft', 'proposed', 'in_force', 'repealed')),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX policies_author ON policies (author_id);

CREATE TABLE synthesis_results (
  id uuid PRIMARY KEY,
  policy_id uuid NOT NULL REFERENCES policies,
  audit_log_id bigint NOT NULL REFERENCES audit_logs,
  score numeric(6, 5) NOT NULL,
  summary text NOT NULL,
  produced_at timestamptz NOT NULL
);
CREATE INDEX synthesis_results_policy ON synthesis_results (policy_id);
CREATE INDEX synthesis_results_audit_log ON synthesis_results (audit_log_id);

CREATE TABLE llm_interactions (
  id uuid PRIMARY KEY,
  result_id uuid REFERENCES synthesis_results ON DELETE SET NULL,
  user_id uuid NOT NULL REFERENCES users,
  model text NOT NULL,
  prompt text NOT NULL,
  response text,
  prompt_tokens integer NOT NULL,
  response_tokens integer NOT NULL,
  occurred_at timestamptz NOT NULL
);
CREATE INDEX llm_interactions_result ON llm_interactions (result_id);
CREATE INDEX llm_interactions_user ON llm_interactions (user_id);

-- Down Migration

DROP TABLE llm_interactions, synthesis_results, policies, users, audit_logs;

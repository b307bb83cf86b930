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

-- A read-only copy of what auth_service owns.
CREATE TABLE user_sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  started_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);

CREATE TABLE principles (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  body text NOT NULL,
  category text NOT NULL,
  weight numeric(5, 4) NOT NULL,
  is_active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE validations (
  id uuid PRIMARY KEY,
  principle_id uuid NOT NULL REFERENCES principles,
  session_id uuid REFERENCES user_sessions,
  subject text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('passed', 'failed', 'undecided')),
  confidence double precision,
  validated_at timestamptz NOT NULL
);
CREATE INDEX validations_principle ON validations (principle_id);
CREATE INDEX validations_session ON validations (session_id);

CREATE TABLE compliance_checks (
  id uuid PRIMARY KEY,
  principle_id uuid NOT NULL REFERENCES principles,
  validation_id uuid REFERENCES validations ON DELETE SET NULL,
  audit_log_id bigint NOT NULL REFERENCES audit_logs,
  is_compliant boolean NOT NULL,
  findings jsonb NOT NULL,
  checked_at timestamptz NOT NULL
);
CREATE INDEX compliance_checks_principle ON compliance_checks (principle_id);
CREATE INDEX compliance_checks_validation ON compliance_checks (validation_id);
CREATE INDEX compliance_checks_audit_log ON compliance_checks (audit_log_id);

-- Down Migration

DROP TABLE compliance_checks, validations, principles, audit_logs, user_sessions;

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
CREATE TABLE users (
  id uuid PRIMARY KEY,
  username text NOT NULL,
  full_name text NOT NULL,
  is_active boolean NOT NULL
);

CREATE TABLE improvements (
  id uuid PRIMARY KEY,
  proposed_by uuid NOT NULL REFERENCES users,
  title text NOT NULL,
  description text NOT NULL,
  status text NOT NULL CHECK (status IN ('proposed', 'trial', 'adopted', 'rolled_back')),
  expected_gain numeric(8, 4) NOT NULL,
  proposed_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX improvements_user ON improvements (proposed_by);

-- Rows are added and never changed.
CREATE TABLE evolution_logs (
  id uuid PRIMARY KEY,
  improvement_id uuid NOT NULL REFERENCES improvements,
  audit_log_id bigint NOT NULL REFERENCES audit_logs,
  generation integer NOT NULL,
  fitness double precision NOT NULL,
  details jsonb NOT NULL,
  logged_at timestamptz NOT NULL
);
CREATE INDEX evolution_logs_improvement ON evolution_logs (improvement_id);
CREATE INDEX evolution_logs_audit_log ON evolution_logs (audit_log_id);

CREATE TABLE self_modifications (
  id uuid PRIMARY KEY,
  improvement_id uuid NOT NULL REFERENCES improvements,
  target text NOT NULL,
  patch text NOT NULL,
  patch_back text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'applied', 'rolled_back')),
  applied_at timestamptz,
  rolled_back_at timestamptz
);
CREATE INDEX self_modifications_improvement ON self_modifications (improvement_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Also in a session that replicates, where other triggers are silent. A row that is written again as it is (a backfill does so)
-- is no change.
CREATE TRIGGER evolution_logs_unchanged BEFORE UPDATE ON evolution_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER evolution_logs_kept BEFORE DELETE ON evolution_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER evolution_logs_not_emptied BEFORE TRUNCATE ON evolution_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE evolution_logs ENABLE ALWAYS TRIGGER evolution_logs_unchanged, ENABLE ALWAYS TRIGGER evolution_logs_kept,
  ENABLE ALWAYS TRIGGER evolution_logs_not_emptied;

-- Down Migration

DROP TABLE self_modifications, evolution_logs, improvements, audit_logs, users;
DROP FUNCTION refuse_change;

-- Up Migration

-- A read-only copy of what auth_service owns.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  username text NOT NULL,
  full_name text NOT NULL,
  is_active boolean NOT NULL
);

-- A read-only copy of what governance_synthesis owns.
CREATE TABLE policies (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  version integer NOT NULL,
  status text NOT NULL
);

CREATE TABLE governance_rules (
  id uuid PRIMARY KEY,
  policy_id uuid NOT NULL REFERENCES policies,
  created_by uuid NOT NULL REFERENCES users,
  name text NOT NULL UNIQUE,
  effect text NOT NULL CHECK (effect IN ('allow', 'deny', 'review')),
  priority smallint NOT NULL,
  condition jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX governance_rules_policy ON governance_rules (policy_id);
CREATE INDEX governance_rules_user ON governance_rules (created_by);

-- Rows are added and never changed.
CREATE TABLE enforcement_logs (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL REFERENCES governance_rules,
  user_id uuid REFERENCES users,
  decision text NOT NULL CHECK (decision IN ('allowed', 'denied', 'escalated')),
  reason text NOT NULL,
  enforced_at timestamptz NOT NULL
);
CREATE INDEX enforcement_logs_rule ON enforcement_logs (rule_id);
CREATE INDEX enforcement_logs_user ON enforcement_logs (user_id);

CREATE TABLE opa_policies (
  id uuid PRIMARY KEY,
  rule_id uuid NOT NULL UNIQUE REFERENCES governance_rules,
  package_name text NOT NULL UNIQUE,
  rego text NOT NULL,
  version integer NOT NULL,
  compiled_at timestamptz NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Also in a session that replicates, where other triggers are silent. A row that is written again as it is (a backfill does so)
-- is no change.
CREATE TRIGGER enforcement_logs_unchanged BEFORE UPDATE ON enforcement_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER enforcement_logs_kept BEFORE DELETE ON enforcement_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER enforcement_logs_not_emptied BEFORE TRUNCATE ON enforcement_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE enforcement_logs ENABLE ALWAYS TRIGGER enforcement_logs_unchanged, ENABLE ALWAYS TRIGGER enforcement_logs_kept,
  ENABLE ALWAYS TRIGGER enforcement_logs_not_emptied;

-- Down Migration

DROP TABLE opa_policies, enforcement_logs, governance_rules, users, policies;
DROP FUNCTION refuse_change;

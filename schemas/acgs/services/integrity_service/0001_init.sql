-- Up Migration

-- A read-only copy of what auth_service owns.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  username text NOT NULL,
  full_name text NOT NULL,
  is_active boolean NOT NULL
);

-- A read-only copy of what auth_service owns.
CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  started_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);

-- A chain of the audit log, and its last link.
CREATE TABLE hash_chains (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL,
  entries bigint NOT NULL DEFAULT 0,
  head_hash bytea,
  created_at timestamptz NOT NULL,
  CHECK ((entries = 0) = (head_hash IS NULL))
);

-- What an entry's hash is made of: all that it says, and the hash of the entry before it.
CREATE FUNCTION audit_entry_hash(
  chain_id uuid,
  sequence_number bigint,
  user_id uuid,
  session_id uuid,
  service text,
  action text,
  entity_type text,
  entity_id uuid,
  details jsonb,
  occurred_at timestamptz,
  previous_hash bytea
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(jsonb_build_array(
  chain_id, sequence_number, user_id, session_id, service, action, entity_type, entity_id, details,
  extract(epoch FROM occurred_at), encode(previous_hash, 'hex')
)::text, 'UTF8'));

-- Entries are added and never changed. That a chain has no gap, no fork and no entry other than what was hashed is held by
-- constraints: each entry has the hash of its content, and refers to the entry before it by number and hash.
CREATE TABLE audit_logs (
  id bigint PRIMARY KEY,
  chain_id uuid NOT NULL REFERENCES hash_chains,
  sequence_number bigint NOT NULL,
  user_id uuid REFERENCES users,
  session_id uuid REFERENCES sessions,
  service text NOT NULL,
  action text NOT NULL,
  entity_type text NOT NULL,
  entity_id uuid,
  details jsonb NOT NULL,
  occurred_at timestamptz NOT NULL,
  previous_number bigint,
  previous_hash bytea,
  entry_hash bytea NOT NULL,
  UNIQUE (chain_id, sequence_number, entry_hash),
  CONSTRAINT audit_logs_fork UNIQUE (chain_id, sequence_number),
  CONSTRAINT audit_logs_number CHECK (sequence_number = coalesce(previous_number, 0) + 1),
  CONSTRAINT audit_logs_link CHECK ((previous_number IS NULL) = (previous_hash IS NULL)),
  CONSTRAINT audit_logs_content CHECK (entry_hash = audit_entry_hash(chain_id, sequence_number, user_id, session_id, service,
    action, entity_type, entity_id, details, occurred_at, previous_hash)),
  CONSTRAINT audit_logs_predecessor FOREIGN KEY (chain_id, previous_number, previous_hash)
    REFERENCES audit_logs (chain_id, sequence_number, entry_hash)
);
CREATE INDEX audit_logs_user ON audit_logs (user_id);
CREATE INDEX audit_logs_session ON audit_logs (session_id);
CREATE INDEX audit_logs_time ON audit_logs (occurred_at);

CREATE TABLE integrity_checks (
  id uuid PRIMARY KEY,
  chain_id uuid NOT NULL REFERENCES hash_chains,
  checked_by uuid REFERENCES users,
  first_number bigint NOT NULL,
  last_number bigint NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('whole', 'broken', 'running')),
  checked_at timestamptz NOT NULL,
  CHECK (first_number <= last_number)
);
CREATE INDEX integrity_checks_chain ON integrity_checks (chain_id);
CREATE INDEX integrity_checks_user ON integrity_checks (checked_by);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Also in a session that replicates, where other triggers are silent. A row that is written again as it is (a backfill does so)
-- is no change.
CREATE TRIGGER audit_logs_unchanged BEFORE UPDATE ON audit_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_logs_kept BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_logs_not_emptied BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_unchanged, ENABLE ALWAYS TRIGGER audit_logs_kept,
  ENABLE ALWAYS TRIGGER audit_logs_not_emptied;
CREATE TRIGGER hash_chains_kept BEFORE DELETE ON hash_chains FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Down Migration

DROP TABLE integrity_checks, audit_logs, hash_chains, users, sessions;
DROP FUNCTION refuse_change, audit_entry_hash;

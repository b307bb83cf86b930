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

CREATE TABLE roles (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  role_id uuid REFERENCES roles ON DELETE SET NULL,
  username text NOT NULL UNIQUE,
  email text NOT NULL UNIQUE,
  full_name text NOT NULL,
  password_hash text NOT NULL,
  is_active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX users_role ON users (role_id);

CREATE TABLE permissions (
  id uuid PRIMARY KEY,
  role_id uuid NOT NULL REFERENCES roles,
  resource text NOT NULL,
  action text NOT NULL CHECK (action IN ('read', 'write', 'approve', 'administer')),
  granted_at timestamptz NOT NULL,
  UNIQUE (role_id, resource, action)
);

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users,
  client_ip inet NOT NULL,
  user_agent text NOT NULL,
  started_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users,
  session_id uuid REFERENCES sessions ON DELETE SET NULL,
  audit_log_id bigint NOT NULL REFERENCES audit_logs,
  kind text NOT NULL CHECK (kind IN ('access', 'refresh', 'service')),
  token_hash bytea NOT NULL UNIQUE,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX tokens_user ON tokens (user_id);
CREATE INDEX tokens_session ON tokens (session_id);
CREATE INDEX tokens_audit_log ON tokens (audit_log_id);

-- Down Migration

DROP TABLE tokens, sessions, permissions, users, roles, audit_logs;

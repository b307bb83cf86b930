-- Up Migration

-- Where the hash key of a system and the ids of its subjects come from: 32 random bytes, wrapped by a master key.
CREATE TABLE system_secrets (
  system_name text PRIMARY KEY,
  -- '<id of the master key>.<base64>'
  wrapped_secret text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- One key a person whose columns are encrypted. The id is a keyed hash: who it is can not be told from here.
-- An erased subject keeps its row, so that it never gets a key again.
CREATE TABLE subject_keys (
  system_name text NOT NULL,
  subject_id text NOT NULL,
  -- '<id of the master key>.<base64>'; NULL once destroyed.
  wrapped_key text,
  created_at timestamptz NOT NULL DEFAULT now(),
  destroyed_at timestamptz,
  PRIMARY KEY (system_name, subject_id),
  CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
);

-- The erasures, and every command that asked for one: written before the act, finished after it.
CREATE TABLE subject_erasures (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  system_name text NOT NULL,
  subject_id text NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  -- NULL while it runs, and after one that was broken off: the same command again finishes it.
  finished_at timestamptz,
  -- Values that were overwritten in the service databases.
  overwritten bigint
);
CREATE INDEX subject_erasures_subject ON subject_erasures (system_name, subject_id);

-- Down Migration

DROP TABLE subject_erasures, subject_keys, system_secrets;

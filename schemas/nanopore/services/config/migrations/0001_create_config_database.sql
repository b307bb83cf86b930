-- Up Migration

-- Secret values lie here as they come, encrypted: who reads the database, or a backup of it, reads none of them.

CREATE TABLE application_configs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  environment text NOT NULL,
  config_key text NOT NULL,
  value jsonb,
  secret_value text CHECK (secret_value LIKE 'sluice:%'),
  description text,
  version integer NOT NULL DEFAULT 1,
  updated_by uuid,
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (environment, config_key),
  CHECK (num_nonnulls(value, secret_value) = 1)
);

CREATE TABLE feature_flags (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  flag_key text NOT NULL UNIQUE,
  description text,
  is_enabled boolean NOT NULL DEFAULT false,
  rollout_percentage smallint NOT NULL DEFAULT 0 CHECK (rollout_percentage BETWEEN 0 AND 100),
  target_groups text[] NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE config_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  config_id uuid NOT NULL,
  change text NOT NULL,
  old_value jsonb,
  new_value jsonb,
  old_secret_value text CHECK (old_secret_value LIKE 'sluice:%'),
  new_secret_value text CHECK (new_secret_value LIKE 'sluice:%'),
  changed_by uuid,
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX config_history_config ON config_history (config_id, changed_at);

-- Down Migration

DROP TABLE config_history, feature_flags, application_configs;

-- Up Migration

-- What a projector with granted columns may see of the pipeline database, and nothing else. A role belongs to the whole server:
-- where the migrating role may not make it, an administrator does, or SLUICE_KEYS_URL names a role with these two grants.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_key_reader') THEN
    BEGIN
      CREATE ROLE sluice_key_reader NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
      NULL;
    END;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_key_reader') THEN
    GRANT SELECT ON subject_keys, system_secrets TO sluice_key_reader;
  END IF;
END
$$;

-- Down Migration

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_key_reader') THEN
    REVOKE SELECT ON subject_keys, system_secrets FROM sluice_key_reader;
  END IF;
END
$$;

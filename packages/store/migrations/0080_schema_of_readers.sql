-- Up Migration

-- Who may select from a table can not do so without USAGE on its schema. PUBLIC has that on a new database's public schema, and may have
-- lost it: the two roles of the pipeline database have it of their own. Where the migrating role may not give it, the schema's owner does.
DO $$
DECLARE
  reader name;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('sluice_key_reader', 'sluice_claims') LOOP
    BEGIN
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), reader);
    EXCEPTION WHEN insufficient_privilege THEN
      NULL;
    END;
  END LOOP;
END
$$;

-- Down Migration

DO $$
DECLARE
  reader name;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('sluice_key_reader', 'sluice_claims') LOOP
    BEGIN
      EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', current_schema(), reader);
    EXCEPTION WHEN insufficient_privilege THEN
      NULL;
    END;
  END LOOP;
END
$$;

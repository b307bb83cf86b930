-- Up Migration

-- Tenants do not see each other's rows: the application says in each transaction for whom it works, with
-- SET LOCAL app.current_tenant_id, and sees nothing if it does not. FORCE holds for the owner of the tables, too.
-- Projector and verifier pass by policies of their own: neither is a superuser, and neither has BYPASSRLS.
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$CREATE POLICY tenant_isolation_policy ON %I FOR ALL
      USING (tenant_id = current_setting('app.current_tenant_id', true))$policy$, name);
    EXECUTE format('CREATE POLICY verifier_policy ON %I FOR SELECT TO orchestration_verifier USING (true)', name);
    EXECUTE format('GRANT SELECT ON %I TO orchestration_app, orchestration_verifier', name);
    IF name <> 'access_audit' THEN
      EXECUTE format('CREATE POLICY projector_policy ON %I FOR ALL TO orchestration_projector USING (true) WITH CHECK (true)', name);
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO orchestration_projector', name);
    END IF;
    -- What the groups are counted from is the projector's alone.
    IF name <> 'access_audit' AND name NOT LIKE 'grouped\_%' THEN
      EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO orchestration_app', name);
    END IF;
  END LOOP;
END $$;

-- The owner writes the audit through its trigger, and removes what is old.
CREATE POLICY owner_policy ON access_audit FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);

-- Nobody else's credentials open this database.
DO $$
BEGIN
  EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO orchestration_app, orchestration_projector, orchestration_verifier', current_database());
END $$;
GRANT USAGE ON SCHEMA public TO orchestration_app, orchestration_projector, orchestration_verifier;

-- Down Migration

DO $$
DECLARE
  name text;
BEGIN
  EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM orchestration_app, orchestration_projector, orchestration_verifier', current_database());
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
  REVOKE USAGE ON SCHEMA public FROM orchestration_app, orchestration_projector, orchestration_verifier;
  DROP POLICY owner_policy ON access_audit;
  FOR name IN
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM orchestration_app, orchestration_projector, orchestration_verifier', name);
    EXECUTE format('DROP POLICY tenant_isolation_policy ON %I', name);
    EXECUTE format('DROP POLICY verifier_policy ON %I', name);
    EXECUTE format('DROP POLICY IF EXISTS projector_policy ON %I', name);
    EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', name);
  END LOOP;
END $$;

-- Up Migration

-- Who read what: the service database manager writes it before each access, since a trigger does not see reads. It writes with the
-- application's role, so that can add records, and neither change nor remove one.
CREATE TABLE data_access_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  accessed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  service text NOT NULL,
  kind text NOT NULL,
  purpose text NOT NULL,
  tenant_id text,
  user_id text,
  correlation_id text
);
CREATE INDEX data_access_log_tenant ON data_access_log (tenant_id, accessed_at);

ALTER TABLE data_access_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation_policy ON data_access_log FOR ALL
  USING (tenant_id = current_setting('app.current_tenant_id', true));
-- Work for no tenant is recorded, too, and no tenant sees those records.
CREATE POLICY no_tenant_policy ON data_access_log FOR INSERT TO orchestration_app WITH CHECK (tenant_id IS NULL);
-- The owner removes what is old.
CREATE POLICY owner_policy ON data_access_log FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY verifier_policy ON data_access_log FOR SELECT TO orchestration_verifier USING (true);
GRANT SELECT, INSERT ON data_access_log TO orchestration_app;
GRANT SELECT ON data_access_log TO orchestration_verifier;

-- Down Migration

DROP TABLE data_access_log;

-- Up Migration

-- Who read what: written by the services' database manager before each access. The service's own, of which the monolith has none.
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
-- Since when access is recorded.
INSERT INTO data_access_log (service, kind, purpose) VALUES ('audit', 'transaction', '(records begin)');
CREATE INDEX data_access_log_user ON data_access_log (user_id, accessed_at);

CREATE TRIGGER data_access_log_unchanged BEFORE UPDATE OR DELETE ON data_access_log
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER data_access_log_not_emptied BEFORE TRUNCATE ON data_access_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE data_access_log ENABLE ALWAYS TRIGGER data_access_log_unchanged,
  ENABLE ALWAYS TRIGGER data_access_log_not_emptied;

-- Down Migration

DROP TABLE data_access_log;

-- Up Migration

-- Records are inserted, and never changed or removed, whoever asks, but by the role of retention and what it was granted to; and
-- that only once an active policy for the entity has let the time pass. Each removal leaves a record of its own. A superuser or
-- the owner can still alter the tables: keep both out of applications' hands.

DO $$
BEGIN
  IF to_regrole('nanopore_retention') IS NULL THEN
    BEGIN
      CREATE ROLE nanopore_retention NOLOGIN;
    EXCEPTION
      -- Another database of the server has just made it.
      WHEN duplicate_object OR unique_violation THEN
        NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role nanopore_retention is missing, and % may not make it', current_user
          USING ERRCODE = 'insufficient_privilege', HINT = 'CREATE ROLE nanopore_retention NOLOGIN';
    END;
  END IF;
END
$$;

CREATE TABLE retention_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  removed_by text NOT NULL DEFAULT session_user,
  removed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  entity_type text NOT NULL,
  records bigint NOT NULL,
  oldest timestamptz NOT NULL,
  newest timestamptz NOT NULL
);
-- Since when removals leave a record.
INSERT INTO retention_runs (entity_type, records, oldest, newest) VALUES ('(records begin)', 0, now(), now());

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'records of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

-- Who only might become the role has to become it first; a superuser might become anybody. What it asks are the true catalog and
-- policies, whatever temporary tables of these names the session has.
CREATE FUNCTION keep_until_retention() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM FROM pg_roles r
    WHERE r.rolname = current_user
      AND (r.oid = to_regrole('nanopore_retention') OR (NOT r.rolsuper AND pg_has_role(r.oid, to_regrole('nanopore_retention'), 'USAGE')));
  IF NOT FOUND THEN
    RAISE EXCEPTION 'records of % are removed by retention only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  PERFORM FROM retention_policies p
    WHERE p.entity_type = OLD.entity_type AND p.is_active AND OLD.occurred_at < now() - make_interval(days => p.retention_days);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no active policy lets a record of % go yet', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END
$$;

-- With the owner's rights, so that nobody needs a right to write the records of removals.
CREATE FUNCTION record_retention() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO retention_runs (entity_type, records, oldest, newest)
    SELECT entity_type, count(*), min(occurred_at), max(occurred_at) FROM removed GROUP BY entity_type;
  RETURN NULL;
END
$$;

-- A row that is written again as it is (a backfill does so) is no change. Asked once the row is written: what another trigger makes of
-- it before that is a change, too.
CREATE TRIGGER audit_logs_unchanged AFTER UPDATE ON audit_logs
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_logs_kept BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION keep_until_retention();
CREATE TRIGGER audit_logs_not_emptied BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_logs_removals AFTER DELETE ON audit_logs
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION record_retention();
CREATE TRIGGER retention_runs_unchanged BEFORE UPDATE OR DELETE ON retention_runs
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER retention_runs_not_emptied BEFORE TRUNCATE ON retention_runs
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Also in a session that replicates, where other triggers are silent.
ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_unchanged, ENABLE ALWAYS TRIGGER audit_logs_kept,
  ENABLE ALWAYS TRIGGER audit_logs_not_emptied, ENABLE ALWAYS TRIGGER audit_logs_removals;
ALTER TABLE retention_runs ENABLE ALWAYS TRIGGER retention_runs_unchanged, ENABLE ALWAYS TRIGGER retention_runs_not_emptied;

GRANT SELECT, DELETE ON audit_logs TO nanopore_retention;
GRANT SELECT ON retention_policies TO nanopore_retention;

-- Down Migration

DROP TRIGGER audit_logs_unchanged ON audit_logs;
DROP TRIGGER audit_logs_kept ON audit_logs;
DROP TRIGGER audit_logs_not_emptied ON audit_logs;
DROP TRIGGER audit_logs_removals ON audit_logs;
DROP TABLE retention_runs;
DROP FUNCTION record_retention, keep_until_retention, refuse_change;

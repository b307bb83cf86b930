-- Up Migration

-- Who wrote what, one row for each statement, table and tenant. It says how many rows, never what is in them.
CREATE TABLE access_audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tenant_id text NOT NULL,
  -- Who logged in, and the role that was taken on, if one was.
  login text NOT NULL,
  role text NOT NULL,
  application text NOT NULL,
  operation text NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE')),
  table_name text NOT NULL,
  rows bigint NOT NULL,
  transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX access_audit_tenant ON access_audit (tenant_id, occurred_at);

-- Runs as the owner, so that whoever writes needs no right on the audit, and can not forge or remove what it says. What the
-- projector writes is in the event store, so it is left out. A superuser is left out only while it says that it is the projector: it
-- could switch the trigger off as well.
CREATE FUNCTION record_access() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF pg_has_role(session_user, 'orchestration_projector', 'USAGE') AND (
    NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
    OR current_setting('application_name') LIKE 'sluice projector%'
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO public.access_audit (tenant_id, login, role, application, operation, table_name, rows)
  SELECT tenant_id, session_user, CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END,
    current_setting('application_name'), TG_OP, TG_TABLE_NAME, count(*)
  FROM changed GROUP BY tenant_id;
  RETURN NULL;
END $$;

DO $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'access_audit'
  LOOP
    EXECUTE format('CREATE TRIGGER audit_inserts AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION record_access()', name);
    EXECUTE format('CREATE TRIGGER audit_updates AFTER UPDATE ON %I REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION record_access()', name);
    EXECUTE format('CREATE TRIGGER audit_deletes AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION record_access()', name);
  END LOOP;
END $$;

-- Keeps the audit itself from growing for ever; called again until it returns 0.
CREATE FUNCTION remove_old_access_audit(before timestamptz, rows_max integer DEFAULT 10000) RETURNS bigint LANGUAGE sql AS $$
  WITH removed AS (
    DELETE FROM public.access_audit WHERE id IN (
      SELECT id FROM public.access_audit WHERE occurred_at < before ORDER BY id LIMIT rows_max) RETURNING 1)
  SELECT count(*) FROM removed
$$;
REVOKE EXECUTE ON FUNCTION remove_old_access_audit FROM PUBLIC;

-- Down Migration

DROP FUNCTION remove_old_access_audit;
DROP FUNCTION record_access CASCADE;
DROP TABLE access_audit;

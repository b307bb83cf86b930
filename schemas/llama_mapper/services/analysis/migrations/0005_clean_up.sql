-- Up Migration

-- Removes what both audits know of accesses longer ago than they are kept, at most so many of each; called again until it returns 0. It
-- runs as the owner, so that a scheduler's role has the right to call it and none on the tables, and nothing younger than 30 days goes.
CREATE FUNCTION clean_up_access_records(keep interval, rows_max integer DEFAULT 10000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  before timestamptz := now() - keep;
  removed bigint;
BEGIN
  IF keep IS NULL OR before > now() - interval '30 days' THEN
    RAISE EXCEPTION 'access records are kept for 30 days at least, not %', keep USING ERRCODE = 'invalid_parameter_value';
  END IF;
  WITH gone AS (
    DELETE FROM public.data_access_log WHERE id IN (
      SELECT id FROM public.data_access_log WHERE accessed_at < before ORDER BY id LIMIT rows_max) RETURNING 1)
  SELECT count(*) + public.remove_old_access_audit(before, rows_max) INTO removed FROM gone;
  RETURN removed;
END $$;
REVOKE EXECUTE ON FUNCTION clean_up_access_records FROM PUBLIC;

-- Down Migration

DROP FUNCTION clean_up_access_records;

-- Up Migration

-- Events that an application writes in its own transaction. The reader takes them from the WAL in the order of the table's
-- inserts, so a row may be deleted in the transaction that wrote it.
CREATE TABLE outbox (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  aggregate_type text NOT NULL CHECK (aggregate_type <> ''),
  aggregate_id text NOT NULL CHECK (aggregate_id <> ''),
  event_type text NOT NULL CHECK (event_type <> ''),
  payload jsonb NOT NULL,
  -- NULL: the transaction's context message, or else the transaction itself, says it.
  correlation_id text CHECK (length(correlation_id) BETWEEN 1 AND 200),
  causation_id text CHECK (length(causation_id) BETWEEN 1 AND 200),
  user_id text CHECK (length(user_id) BETWEEN 1 AND 200),
  traceparent text CHECK (length(traceparent) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Names the context of the changes that follow in this transaction, up to the next call. Call it first.
--   SELECT sluice_context('order-17', user_id => 'ann');
CREATE FUNCTION sluice_context(
  correlation_id text,
  causation_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  traceparent text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
  context jsonb := jsonb_strip_nulls(jsonb_build_object(
    'correlationId', correlation_id,
    'causationId', causation_id,
    'userId', user_id,
    'traceparent', traceparent
  ));
  field record;
BEGIN
  FOR field IN SELECT key, length(value) AS characters FROM jsonb_each_text(context) LOOP
    IF field.characters NOT BETWEEN 1 AND 200 THEN
      RAISE EXCEPTION '% must have 1 to 200 characters, it has %', field.key, field.characters
        USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
  PERFORM pg_logical_emit_message(true, 'sluice.context', context::text);
END
$$;

-- Down Migration

DROP FUNCTION sluice_context(text, text, text, text);
DROP TABLE outbox;

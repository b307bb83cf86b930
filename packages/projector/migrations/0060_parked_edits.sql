-- Up Migration

-- What people changed of parked events before they were tried again: for this service alone, the event stays as it is in the store and
-- in its topic. A later edit of a column takes the place of an earlier one.
CREATE TABLE parked_event_edits (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL,
  lane smallint NOT NULL,
  position bigint NOT NULL,
  aggregate_type text NOT NULL,
  -- The key where it is not one uuid, else that.
  aggregate_key text NOT NULL,
  column_name text NOT NULL,
  -- PostgreSQL's text of the new value, until the event has left the parking lot; NULL for NULL.
  value text,
  -- SHA-256 of the texts; NULL for NULL, and of an old value that was not sent.
  old_sha256 bytea,
  new_sha256 bytea,
  requested_by text NOT NULL,
  reason text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  -- When the event took effect with it; NULL for one that waits, was replaced or given up.
  applied_at timestamptz
);
CREATE INDEX parked_event_edits_event ON parked_event_edits (event_id);

-- Down Migration

DROP TABLE parked_event_edits;

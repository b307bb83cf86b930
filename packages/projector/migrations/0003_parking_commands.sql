-- Up Migration

-- Who waits behind an event, for lists and for retries.
CREATE INDEX parked_events_waits_for ON parked_events (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX parked_events_positions ON parked_events (lane, position);

-- What people asked of the parking lot: written before the act, the result after it. A row without finished_at was
-- interrupted; what it had done until then stands in parked_event_results.
CREATE TABLE parked_event_commands (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  command text NOT NULL CHECK (command IN ('retry', 'skip')),
  requested_by text NOT NULL,
  reason text,
  -- What was selected: event, aggregate, topic, error.
  selection jsonb NOT NULL,
  -- How many parked events it meant when it began.
  events integer NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  -- Counts, or the code of the error that ended it.
  result jsonb
);

-- How each event left the parking lot. No row text.
CREATE TABLE parked_event_results (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL,
  lane smallint NOT NULL,
  position bigint NOT NULL,
  topic text NOT NULL,
  aggregate_type text NOT NULL,
  aggregate_id uuid NOT NULL,
  event_type text NOT NULL,
  -- 'closed': its table was truncated at a later position, so it can have no effect any more.
  result text NOT NULL CHECK (result IN ('applied', 'skipped', 'closed')),
  -- The command that did it; NULL for a closed one.
  command_id bigint REFERENCES parked_event_commands (id),
  -- The truncate that closed it.
  closed_by uuid,
  parked_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX parked_event_results_event ON parked_event_results (event_id);

-- Down Migration

DROP TABLE parked_event_results, parked_event_commands;
DROP INDEX parked_events_positions, parked_events_waits_for;

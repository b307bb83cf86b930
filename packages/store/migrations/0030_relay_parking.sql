-- Up Migration

-- Events that could not be published, and those of their keys that queue behind them. The events themselves stand in event_store.
-- A row above relay_progress is of a Kafka transaction that was not committed, and means nothing yet.
CREATE TABLE relay_parked_events (
  lane smallint NOT NULL REFERENCES lanes (lane),
  position bigint NOT NULL,
  event_id uuid NOT NULL,
  aggregate_type text NOT NULL,
  aggregate_id uuid NOT NULL,
  -- The other aggregate of a change of key.
  other_aggregate_id uuid,
  event_type text NOT NULL,
  correlation_id text NOT NULL,
  -- Position of the parked event that this one waits behind; NULL for one that was refused for itself.
  waits_for bigint,
  error_code text,
  error_message text NOT NULL,
  attempts integer NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now(),
  -- What a person asked for; the relay answers by removing the row, or this.
  requested text CHECK (requested IN ('retry', 'skip')),
  command_id bigint,
  PRIMARY KEY (lane, position)
);

-- What people asked for, before it is done, and how each event left.
CREATE TABLE relay_parked_commands (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane smallint NOT NULL,
  command text NOT NULL CHECK (command IN ('retry', 'skip')),
  requested_by text NOT NULL,
  reason text,
  selection jsonb NOT NULL,
  events integer NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE relay_parked_results (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane smallint NOT NULL,
  position bigint NOT NULL,
  event_id uuid NOT NULL,
  -- 'closed': its table was truncated at a later position.
  result text NOT NULL CHECK (result IN ('published', 'skipped', 'closed')),
  command_id bigint,
  ended_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX relay_parked_results_event ON relay_parked_results (lane, position);

CREATE OR REPLACE VIEW event_outbox AS
SELECT
  e.event_id AS id,
  e.lane,
  e.position,
  e.aggregate_id,
  e.event_type,
  coalesce(t.topic, l.outbox_topic) AS topic,
  e.event_data AS payload,
  coalesce(e.aggregate_key, e.aggregate_id::text) AS partition_key,
  jsonb_strip_nulls(jsonb_build_object('event-id', e.event_id, 'correlation-id', e.correlation_id,
    'migration-id', e.metadata ->> 'migrationId', 'traceparent', e.metadata ->> 'traceparent')) AS headers,
  CASE
    WHEN k.position IS NOT NULL AND k.waits_for IS NULL THEN 'failed'
    WHEN k.position IS NOT NULL THEN 'pending'
    WHEN e.position <= coalesce(p.position, 0) THEN 'published'
    WHEN f.position IS NOT NULL THEN 'failed'
    ELSE 'pending'
  END AS status,
  CASE
    WHEN k.position IS NOT NULL THEN k.attempts
    WHEN f.position IS NOT NULL THEN f.attempts
    WHEN e.position <= coalesce(p.position, 0) THEN 1
    ELSE 0
  END AS attempts,
  coalesce(k.error_message, f.error_message) AS error_message,
  e.created_at,
  CASE WHEN k.position IS NULL AND e.position <= coalesce(p.position, 0) THEN
    (SELECT b.finished_at FROM processing_batches b
      WHERE b.lane = e.lane AND b.stage = 'relay' AND b.last_position >= e.position ORDER BY b.last_position LIMIT 1)
  END AS published_at
FROM event_store e
JOIN lanes l ON l.lane = e.lane
LEFT JOIN aggregate_topics t ON t.system_name = l.system_name AND t.aggregate_type = e.aggregate_type
LEFT JOIN relay_progress p ON p.lane = e.lane
LEFT JOIN relay_failures f ON f.lane = e.lane AND f.position = e.position
LEFT JOIN relay_parked_events k ON k.lane = e.lane AND k.position = e.position AND k.position <= coalesce(p.position, 0);

-- Down Migration

CREATE OR REPLACE VIEW event_outbox AS
SELECT
  e.event_id AS id,
  e.lane,
  e.position,
  e.aggregate_id,
  e.event_type,
  coalesce(t.topic, l.outbox_topic) AS topic,
  e.event_data AS payload,
  coalesce(e.aggregate_key, e.aggregate_id::text) AS partition_key,
  jsonb_strip_nulls(jsonb_build_object('event-id', e.event_id, 'correlation-id', e.correlation_id,
    'migration-id', e.metadata ->> 'migrationId', 'traceparent', e.metadata ->> 'traceparent')) AS headers,
  CASE WHEN e.position <= coalesce(p.position, 0) THEN 'published' WHEN f.position IS NOT NULL THEN 'failed' ELSE 'pending' END AS status,
  CASE WHEN f.position IS NOT NULL THEN f.attempts WHEN e.position <= coalesce(p.position, 0) THEN 1 ELSE 0 END AS attempts,
  f.error_message,
  e.created_at,
  CASE WHEN e.position <= coalesce(p.position, 0) THEN
    (SELECT b.finished_at FROM processing_batches b
      WHERE b.lane = e.lane AND b.stage = 'relay' AND b.last_position >= e.position ORDER BY b.last_position LIMIT 1)
  END AS published_at
FROM event_store e
JOIN lanes l ON l.lane = e.lane
LEFT JOIN aggregate_topics t ON t.system_name = l.system_name AND t.aggregate_type = e.aggregate_type
LEFT JOIN relay_progress p ON p.lane = e.lane
LEFT JOIN relay_failures f ON f.lane = e.lane AND f.position = e.position;
DROP TABLE relay_parked_results, relay_parked_commands, relay_parked_events;

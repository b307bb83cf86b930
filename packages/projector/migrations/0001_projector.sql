-- Up Migration

-- Which events this service has met: what decides that one takes effect once. Pruned below
-- projector_positions.pruned_through, under which an event counts as a duplicate unless it is parked.
CREATE TABLE processed_events (
  event_id uuid PRIMARY KEY,
  lane smallint NOT NULL,
  position bigint NOT NULL,
  processed_at timestamptz NOT NULL DEFAULT now()
);
-- For pruning: positions grow with the table, so a few pages of summaries are enough.
CREATE INDEX processed_events_positions ON processed_events USING brin (position) WITH (autosummarize = on);

-- How far the service is in each lane: all up to applied_position is applied, or listed in parked_events.
CREATE TABLE projector_positions (
  lane smallint PRIMARY KEY,
  lane_name text NOT NULL,
  epoch uuid NOT NULL,
  cluster_id text NOT NULL,
  applied_position bigint NOT NULL,
  pruned_through bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- The consumed offsets, moved by compare-and-set in the transaction that applies the events.
CREATE TABLE consumed_offsets (
  topic text NOT NULL,
  partition integer NOT NULL,
  -- The offset to go on from.
  next_offset bigint NOT NULL,
  -- Events met here; compared with the count in the control records, so that a gap can not pass.
  events bigint NOT NULL,
  PRIMARY KEY (topic, partition)
);

-- Events that the service refused, and those that wait behind one of the same key. No row text, no DETAIL.
CREATE TABLE parked_events (
  event_id uuid PRIMARY KEY,
  lane smallint NOT NULL,
  position bigint NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  kafka_offset bigint NOT NULL,
  aggregate_type text NOT NULL,
  aggregate_id uuid NOT NULL,
  -- The other aggregate of a change of key: its later events queue too.
  other_aggregate_id uuid,
  event_type text NOT NULL,
  correlation_id text NOT NULL,
  -- Mapping or handler that refused it; empty for an event that only waits.
  projection text NOT NULL,
  -- The parked event of the same key, or the missing parent, that this one waits behind; NULL for the first.
  waits_for uuid,
  error_code text NOT NULL,
  sqlstate text,
  table_name text,
  column_name text,
  constraint_name text,
  error_message text NOT NULL,
  -- The message as it came from Kafka.
  message bytea NOT NULL,
  attempts integer NOT NULL DEFAULT 1,
  parked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX parked_events_aggregate ON parked_events (aggregate_type, aggregate_id, position);
CREATE INDEX parked_events_other_aggregate ON parked_events (aggregate_type, other_aggregate_id, position)
  WHERE other_aggregate_id IS NOT NULL;

-- A stop that verify asks for: the projector applies nothing above stop_at until the row is gone or has expired.
-- stop_at NULL means: nothing more at all. A verify that died holds nobody up for longer than expires_at.
CREATE TABLE projector_barriers (
  lane smallint PRIMARY KEY,
  requested_by text NOT NULL,
  stop_at bigint,
  expires_at timestamptz NOT NULL,
  -- Set by the projector when it stands: its applied position at that time.
  standing_at bigint
);

CREATE TABLE processing_batches (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stage text NOT NULL CHECK (stage = 'projector'),
  service_name text NOT NULL,
  lane smallint NOT NULL,
  first_position bigint NOT NULL,
  last_position bigint NOT NULL,
  -- Events of this service among those positions.
  events integer NOT NULL,
  duplicates integer NOT NULL,
  parked integer NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL
);
CREATE INDEX processing_batches_positions ON processing_batches (lane, last_position);

CREATE VIEW service_processing_log AS
SELECT
  b.id,
  p.event_id AS entity_id,
  'event'::text AS entity_type,
  b.service_name,
  b.stage AS action,
  CASE WHEN k.event_id IS NULL THEN 'completed' ELSE 'parked' END AS status,
  (extract(epoch FROM b.finished_at - b.started_at) * 1000)::integer AS processing_time_ms,
  jsonb_build_object('lane', p.lane, 'position', p.position) AS metadata,
  b.started_at,
  b.finished_at AS created_at
FROM processed_events p
JOIN LATERAL (
  SELECT * FROM processing_batches b WHERE b.lane = p.lane AND b.last_position >= p.position ORDER BY b.last_position LIMIT 1
) b ON b.first_position <= p.position
LEFT JOIN parked_events k ON k.event_id = p.event_id;

-- Down Migration

DROP VIEW service_processing_log;
DROP TABLE processing_batches, projector_barriers, parked_events, consumed_offsets, projector_positions, processed_events;

-- Up Migration

-- Where events come from: one row a source database. Its epoch is shared by the lanes that read it, so that they give
-- one monolith transaction one correlation.
CREATE TABLE sources (
  source_name text NOT NULL,
  system_name text NOT NULL,
  epoch uuid NOT NULL,
  -- pg_control_system().system_identifier; text, since it is an unsigned 64-bit number.
  system_identifier text NOT NULL,
  database_name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (system_name, source_name)
);

-- One row a lane: a slot of a source and its single writer. The reader moves it by compare-and-set on
-- (position, link, stored_lsn), in the transaction that stores the events.
CREATE TABLE lanes (
  lane smallint PRIMARY KEY CHECK (lane > 0),
  system_name text NOT NULL,
  lane_name text NOT NULL,
  source_name text NOT NULL,
  -- Made with the slot: the namespace of the lane's event ids.
  epoch uuid NOT NULL,
  slot_name text NOT NULL,
  publication_name text NOT NULL,
  timeline integer NOT NULL,
  phase text NOT NULL CHECK (phase IN ('creating', 'loading', 'streaming')),
  -- Number of the last event; 0 before the first.
  position bigint NOT NULL DEFAULT 0,
  -- Number and hash of the last link of the chain; the hash of link 0 is that of the epoch.
  link bigint NOT NULL DEFAULT 0,
  head bytea NOT NULL,
  -- End of the last stored commit; the slot may be acknowledged up to here.
  stored_lsn pg_lsn NOT NULL,
  -- A later place at which nothing was pending; recorded before it is acknowledged.
  keepalive_lsn pg_lsn,
  -- Topic of the applications' own events, where the lane carries some.
  outbox_topic text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (system_name, lane_name),
  FOREIGN KEY (system_name, source_name) REFERENCES sources (system_name, source_name)
);

-- Every event, numbered per lane in commit order without gaps. Partitioned by lane, then by ranges of positions, so that
-- old events go by dropping a partition. Only the position is indexed: nothing random is needed to write.
CREATE TABLE event_store (
  lane smallint NOT NULL,
  position bigint NOT NULL,
  event_id uuid NOT NULL,
  aggregate_type text NOT NULL,
  aggregate_id uuid NOT NULL,
  -- Text of the aggregate's key where that is not one uuid.
  aggregate_key text,
  event_type text NOT NULL,
  event_version integer NOT NULL,
  -- json, not jsonb: it gives back the bytes it got, which the hash chain covers.
  event_data json NOT NULL,
  metadata json NOT NULL,
  correlation_id text NOT NULL,
  causation_id text,
  user_id text,
  commit_lsn pg_lsn NOT NULL,
  -- Place in the transaction or chunk; with the lane's epoch and commit_lsn it gives the event id again.
  ordinal integer NOT NULL,
  -- Time of the source's commit.
  created_at timestamptz NOT NULL,
  PRIMARY KEY (lane, position)
) PARTITION BY LIST (lane);

-- One link of the hash chain a commit of the source, or a chunk of a load.
CREATE TABLE event_commits (
  lane smallint NOT NULL,
  link bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('commit', 'chunk')),
  first_position bigint NOT NULL,
  last_position bigint NOT NULL,
  commit_lsn pg_lsn NOT NULL,
  end_lsn pg_lsn NOT NULL,
  committed_at timestamptz NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- sha256(hash of the link before || canonical form of each event)
  hash bytea NOT NULL,
  PRIMARY KEY (lane, last_position)
) PARTITION BY LIST (lane);

-- Which positions a correlation has: a row for each unbroken run of a batch.
CREATE TABLE event_correlations (
  correlation_id text NOT NULL,
  lane smallint NOT NULL,
  first_position bigint NOT NULL,
  last_position bigint NOT NULL,
  PRIMARY KEY (correlation_id, lane, first_position)
) PARTITION BY LIST (lane);

-- The partitions of event_store, event_commits and event_correlations: all three are cut at the same positions.
-- A row with drop_begun_at is being removed; its tables may be gone already.
CREATE TABLE event_partitions (
  lane smallint NOT NULL REFERENCES lanes (lane),
  first_position bigint NOT NULL,
  last_position bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  drop_begun_at timestamptz,
  PRIMARY KEY (lane, first_position)
);

-- Stretches of the chain that retention closed, written before anything is dropped: every event up to dropped_through
-- is gone, and the chain is verified from the link named here on.
CREATE TABLE event_retention (
  lane smallint NOT NULL REFERENCES lanes (lane),
  dropped_through bigint NOT NULL,
  -- The link in which dropped_through lies, its last position and its hash.
  link bigint NOT NULL,
  last_position bigint NOT NULL,
  hash bytea NOT NULL,
  closed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (lane, dropped_through)
);

-- One row an aggregate: its last version. Small against history, and the only random access of the writer.
CREATE TABLE aggregate_heads (
  aggregate_id uuid NOT NULL,
  aggregate_type text NOT NULL,
  event_version integer NOT NULL,
  PRIMARY KEY (aggregate_id, aggregate_type)
) WITH (fillfactor = 80);

CREATE TABLE event_snapshots (
  snapshot_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  aggregate_id uuid NOT NULL,
  aggregate_type text NOT NULL,
  snapshot_version integer NOT NULL,
  snapshot_data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (aggregate_type, aggregate_id, snapshot_version)
);

-- Topic of each aggregate type, written by provision; the relay's own routing is the system definition.
CREATE TABLE aggregate_topics (
  system_name text NOT NULL,
  aggregate_type text NOT NULL,
  topic text NOT NULL,
  PRIMARY KEY (system_name, aggregate_type)
);

-- How far each lane is published. A copy for people and views: the truth is the control topic.
CREATE TABLE relay_progress (
  lane smallint PRIMARY KEY REFERENCES lanes (lane),
  position bigint NOT NULL,
  cluster_id text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Events that Kafka or the registry refused; the relay stands at the first of them.
CREATE TABLE relay_failures (
  lane smallint NOT NULL,
  position bigint NOT NULL,
  attempts integer NOT NULL,
  error_code text NOT NULL,
  error_message text NOT NULL,
  first_failed_at timestamptz NOT NULL DEFAULT now(),
  last_failed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (lane, position)
);

-- What each stage did, a row a batch.
CREATE TABLE processing_batches (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stage text NOT NULL CHECK (stage IN ('reader', 'relay', 'projector')),
  service_name text NOT NULL,
  lane smallint NOT NULL,
  first_position bigint NOT NULL,
  last_position bigint NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL
);
CREATE INDEX processing_batches_positions ON processing_batches (lane, stage, last_position);

-- The outbox of the pipeline: pending, published or failed for every event, without a row that is rewritten.
CREATE VIEW event_outbox AS
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

-- The batches shown an event, under the names that the source documents use.
CREATE VIEW service_processing_log AS
SELECT
  b.id,
  e.aggregate_id AS entity_id,
  e.aggregate_type AS entity_type,
  b.service_name,
  b.stage AS action,
  'completed'::text AS status,
  e.correlation_id,
  (extract(epoch FROM b.finished_at - b.started_at) * 1000)::integer AS processing_time_ms,
  jsonb_build_object('lane', e.lane, 'position', e.position, 'eventId', e.event_id) AS metadata,
  b.started_at,
  b.finished_at AS created_at
FROM processing_batches b
JOIN event_store e ON e.lane = b.lane AND e.position BETWEEN b.first_position AND b.last_position;

-- One row a captured table and run of its load.
CREATE TABLE data_migration_state (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  migration_name text NOT NULL UNIQUE,
  lane smallint NOT NULL REFERENCES lanes (lane),
  run uuid NOT NULL,
  -- Schema-qualified table.
  entity_type text NOT NULL,
  -- Place in the order of the load: parents before children.
  load_order integer NOT NULL,
  -- Key of the last row that was stored, one text a key column; NULL before the first.
  last_processed_id text[],
  last_processed_at timestamptz,
  total_rows_estimate bigint,
  total_processed bigint NOT NULL DEFAULT 0,
  total_failed bigint NOT NULL DEFAULT 0,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
  error_details jsonb,
  started_at timestamptz,
  completed_at timestamptz,
  metadata jsonb NOT NULL DEFAULT '{}'
);

-- One row a chunk, in the transaction that stores its events.
CREATE TABLE migration_checkpoints (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration_id uuid NOT NULL REFERENCES data_migration_state (id),
  -- LSN of the snapshot that the chunk was read under.
  snapshot_lsn pg_lsn NOT NULL,
  -- {"from": [...], "to": [...], "rows": n, "kind": "range" | "keys"}
  checkpoint_data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX migration_checkpoints_migration ON migration_checkpoints (migration_id, id);

-- Down Migration

DROP TABLE migration_checkpoints, data_migration_state;
DROP VIEW service_processing_log, event_outbox;
DROP TABLE processing_batches, relay_failures, relay_progress, aggregate_topics, event_snapshots, aggregate_heads,
  event_retention, event_partitions, event_correlations, event_commits, event_store, lanes, sources;

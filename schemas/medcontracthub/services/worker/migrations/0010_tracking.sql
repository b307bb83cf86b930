-- Up Migration

-- What the projector notes of the event that wrote a row, in its own transaction. In the monolith such columns would be changes
-- that the pipeline makes for itself.
ALTER TABLE opportunities
  ADD COLUMN processed_by_services jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN last_sync_to_kafka timestamptz;

ALTER TABLE proposals ADD COLUMN event_stream_position bigint;

-- Down Migration

ALTER TABLE proposals DROP COLUMN event_stream_position;
ALTER TABLE opportunities DROP COLUMN last_sync_to_kafka, DROP COLUMN processed_by_services;

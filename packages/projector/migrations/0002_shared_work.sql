-- Up Migration

-- The projectors of an independent service share its partitions: then each data partition says by itself how far it is. All
-- NULL where one projector works through the whole lane.
ALTER TABLE consumed_offsets
  -- The lane of the partition's topic.
  ADD COLUMN lane_name text,
  -- All events of the partition up to this position are applied, or listed in parked_events. The lane's applied_position in
  -- projector_positions is never more than the least of them.
  ADD COLUMN applied_position bigint,
  -- The offset of the lane's control topic to go on from.
  ADD COLUMN control_offset bigint,
  -- The membership that works on the partition; nobody else may move it.
  ADD COLUMN owner uuid;

-- Batches of several members overlap in their positions. A batch and what it applied were written by one transaction, so
-- they carry one time.
CREATE INDEX processing_batches_started ON processing_batches (lane, started_at);

CREATE OR REPLACE VIEW service_processing_log AS
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
  SELECT * FROM processing_batches b
  WHERE b.lane = p.lane AND b.started_at = p.processed_at AND b.last_position >= p.position ORDER BY b.last_position LIMIT 1
) b ON b.first_position <= p.position
LEFT JOIN parked_events k ON k.event_id = p.event_id;

-- Down Migration

CREATE OR REPLACE VIEW service_processing_log AS
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
DROP INDEX processing_batches_started;
ALTER TABLE consumed_offsets DROP COLUMN lane_name, DROP COLUMN applied_position, DROP COLUMN control_offset, DROP COLUMN owner;

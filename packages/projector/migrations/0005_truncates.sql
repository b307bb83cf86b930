-- Up Migration

-- Position of the truncate that closed a parked event of its table.
ALTER TABLE parked_event_results ADD COLUMN closed_by_position bigint;

-- A truncate is in every partition of its topic. Where the members of an independent service share these, each ends the keys of its
-- own partitions, in its place there: this is where it did. One that is in processed_events and not here was applied as a whole.
-- Pruned with processed_events.
CREATE TABLE processed_truncates (
  event_id uuid NOT NULL,
  partition integer NOT NULL,
  lane smallint NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (event_id, partition)
);

-- Down Migration

DROP TABLE processed_truncates;
ALTER TABLE parked_event_results DROP COLUMN closed_by_position;

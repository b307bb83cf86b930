-- Up Migration

-- Where an aggregate snapshot stands: everything up to the position of its lane is in it, nothing after; and the link and hash of the
-- chain there. Nothing has written this table before.
ALTER TABLE event_snapshots
  ADD COLUMN lane smallint NOT NULL REFERENCES lanes (lane),
  ADD COLUMN position bigint NOT NULL,
  ADD COLUMN link bigint NOT NULL,
  ADD COLUMN head bytea NOT NULL,
  -- The event that told all of the row.
  ADD COLUMN event_id uuid NOT NULL,
  -- Subjects of the encrypted values in it: an erasure takes the snapshot with it.
  ADD COLUMN subject_ids text[] NOT NULL;
CREATE INDEX event_snapshots_subjects ON event_snapshots USING gin (subject_ids);

-- Down Migration

DROP INDEX event_snapshots_subjects;
ALTER TABLE event_snapshots DROP COLUMN subject_ids, DROP COLUMN event_id, DROP COLUMN head, DROP COLUMN link,
  DROP COLUMN position, DROP COLUMN lane;

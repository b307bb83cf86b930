-- Up Migration

-- Where the last image of an aggregate's row lies: the event that told all that was known of it. An update that leaves a large
-- value untouched comes without the value, and takes it from there. NULL or 0: the row has none, it was deleted or never came.
-- In the row that is written for the version anyway, so that it costs no access of its own; of a table's aggregate it is the
-- position of the last truncate. A row that took a key without events has version 0 there.
ALTER TABLE aggregate_heads ADD COLUMN image_position bigint, ADD COLUMN image_lane smallint;

-- Down Migration

DELETE FROM aggregate_heads WHERE event_version = 0;
ALTER TABLE aggregate_heads DROP COLUMN image_lane, DROP COLUMN image_position;

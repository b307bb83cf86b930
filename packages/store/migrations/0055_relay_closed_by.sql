-- Up Migration

-- Position of the truncate that closed a parked event of its table.
ALTER TABLE relay_parked_results ADD COLUMN closed_by bigint;

-- Down Migration

ALTER TABLE relay_parked_results DROP COLUMN closed_by;

-- Up Migration

-- processed_events is Sluice's: what it holds decides that an event takes effect once, and its own migrations come first and go on
-- changing it. So a service leaves its columns, key and rows alone, and adds beside them what takes nothing away:
--
-- * an index, of the kind that costs a few pages and no look-up a row, for questions by time;
-- * a view with the columns that every service of the company has for met events. It names its columns, so that a column
--   which Sluice adds does not change it.
CREATE INDEX processed_events_time ON processed_events USING brin (processed_at) WITH (autosummarize = on);

CREATE VIEW processed_events_canonical AS
SELECT e.event_id, 'cds-document'::text AS service_name, p.lane_name AS source, e.position AS sequence, e.processed_at
FROM processed_events e JOIN projector_positions p ON p.lane = e.lane;

-- Down Migration

DROP VIEW processed_events_canonical;
DROP INDEX processed_events_time;

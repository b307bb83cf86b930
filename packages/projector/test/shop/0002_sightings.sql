-- Up Migration

-- Rows that say which event wrote them last.
CREATE TABLE sightings (
  client_id uuid PRIMARY KEY,
  name text NOT NULL,
  bio text,
  last_position bigint NOT NULL,
  last_commit timestamptz NOT NULL,
  seen_by jsonb NOT NULL,
  -- The service's own: no projection names it.
  note text
);

-- Down Migration

DROP TABLE sightings;

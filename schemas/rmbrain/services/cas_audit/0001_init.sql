-- Up Migration

-- Rows are added and never changed.
CREATE TABLE audit_events (
  id bigint PRIMARY KEY,
  actor text NOT NULL,
  action text NOT NULL,
  entity_type text NOT NULL,
  entity_id uuid,
  payload jsonb NOT NULL DEFAULT '{}',
  client_ip inet,
  occurred_at timestamptz NOT NULL
);
CREATE INDEX audit_events_entity ON audit_events (entity_type, entity_id);
CREATE INDEX audit_events_time ON audit_events (occurred_at);

-- Down Migration

DROP TABLE audit_events;

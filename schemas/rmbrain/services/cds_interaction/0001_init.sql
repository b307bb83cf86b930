-- Up Migration

-- The client is in another database: its id is a plain column.
CREATE TABLE interactions (
  id uuid PRIMARY KEY,
  client_id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('meeting', 'call', 'email', 'chat')),
  subject text NOT NULL,
  notes text,
  sentiment numeric(4, 3),
  participants text[] NOT NULL DEFAULT '{}',
  occurred_at timestamptz NOT NULL,
  duration interval
);
CREATE INDEX interactions_client ON interactions (client_id, occurred_at);

-- Down Migration

DROP TABLE interactions;

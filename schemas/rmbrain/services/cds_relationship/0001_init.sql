-- Up Migration

-- The client is in another database: its id is a plain column.
-- Which relationship manager looks after which client, and since when.
CREATE TABLE relationships (
  id uuid PRIMARY KEY,
  client_id uuid NOT NULL,
  manager text NOT NULL,
  role text NOT NULL CHECK (role IN ('primary', 'deputy', 'specialist')),
  strength double precision,
  valid_during daterange NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX relationships_client ON relationships (client_id);
CREATE INDEX relationships_manager ON relationships (manager);

-- Down Migration

DROP TABLE relationships;

-- Up Migration

-- The client is in another database: its id is a plain column.
CREATE TABLE documents (
  id uuid PRIMARY KEY,
  client_id uuid NOT NULL,
  file_name text NOT NULL,
  content_type text NOT NULL,
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  sha256 bytea NOT NULL,
  summary text,
  status text NOT NULL CHECK (status IN ('received', 'classified', 'archived')),
  uploaded_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX documents_client ON documents (client_id);

-- Down Migration

DROP TABLE documents;

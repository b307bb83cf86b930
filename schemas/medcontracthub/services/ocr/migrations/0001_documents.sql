-- Up Migration

CREATE TABLE documents (
  document_id uuid PRIMARY KEY,
  opportunity_id uuid NOT NULL,
  file_name text NOT NULL,
  document_type text NOT NULL,
  size_kib bigint NOT NULL,
  content_sha256 bytea NOT NULL,
  page_count smallint,
  confidence numeric(5, 4),
  tags text[] NOT NULL,
  metadata jsonb NOT NULL,
  is_public boolean NOT NULL,
  processing_time interval,
  uploaded_at timestamptz NOT NULL,
  processed_at timestamptz
);

-- The large part apart from the small one. A document and its text come from one row, so they stand and fall together.
CREATE TABLE document_texts (
  document_id uuid PRIMARY KEY REFERENCES documents (document_id) DEFERRABLE INITIALLY DEFERRED,
  body text
);

-- Down Migration

DROP TABLE document_texts, documents;

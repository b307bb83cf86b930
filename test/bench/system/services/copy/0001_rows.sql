-- Up Migration

-- About 200 bytes a row: the shape that Debezium was measured with.
CREATE TABLE rows (
  id bigint PRIMARY KEY,
  counter integer NOT NULL,
  a text NOT NULL,
  b text NOT NULL,
  c text NOT NULL,
  d text NOT NULL,
  e text,
  amount numeric(12,2) NOT NULL,
  changed_at timestamptz NOT NULL,
  detail jsonb NOT NULL,
  is_open boolean NOT NULL
);

-- Down Migration

DROP TABLE rows;

-- Up Migration

CREATE TABLE papers (
  id bigint PRIMARY KEY,
  title text NOT NULL,
  body text,
  scan bytea,
  facts jsonb,
  pages integer NOT NULL
);

-- Down Migration

DROP TABLE papers;

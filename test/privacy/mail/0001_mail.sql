-- Up Migration

CREATE TABLE people (
  code text PRIMARY KEY, account bigint NOT NULL, full_name text NOT NULL, born text, salary text, bio text, card text,
  email text UNIQUE, city text NOT NULL
);

-- Down Migration

DROP TABLE people;

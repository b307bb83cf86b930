-- Up Migration

CREATE TABLE titles (
  isbn text PRIMARY KEY,
  title text NOT NULL,
  format text NOT NULL,
  price_cents integer NOT NULL
);

-- Down Migration

DROP TABLE titles;

-- Up Migration

CREATE TABLE contacts (
  code text PRIMARY KEY, account bigint NOT NULL, full_name text NOT NULL, born date, salary numeric(12,2), card text,
  email text UNIQUE, city text NOT NULL CHECK (city <> 'Atlantis')
);
CREATE TABLE visits (
  id bigint PRIMARY KEY, person_code text NOT NULL REFERENCES contacts ON UPDATE CASCADE, account bigint NOT NULL, remark text
);
-- Written by a handler.
CREATE TABLE greetings (code text PRIMARY KEY, account bigint NOT NULL, line text NOT NULL);

-- Down Migration

DROP TABLE greetings, visits, contacts;

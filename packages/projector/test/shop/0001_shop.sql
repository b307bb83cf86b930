-- Up Migration

CREATE TYPE tier AS ENUM ('basic', 'gold');

CREATE TABLE clients (
  client_id uuid PRIMARY KEY,
  email varchar(30) UNIQUE,
  name text NOT NULL,
  bio text,
  tier tier NOT NULL,
  shout text
);

-- The gold ones only.
CREATE TABLE favourites (
  client_id uuid PRIMARY KEY,
  name text NOT NULL,
  bio text
);

CREATE TABLE orders (
  id bigint PRIMARY KEY,
  client_id uuid REFERENCES clients (client_id),
  amount numeric(12, 2) CHECK (amount >= 0),
  tags text[],
  data jsonb
);

-- What a handler counts.
CREATE TABLE order_counts (
  client_id uuid PRIMARY KEY,
  orders integer NOT NULL,
  last_event uuid NOT NULL
);

-- Rows whose neighbour is checked at the end of the transaction.
CREATE TABLE links (
  id integer PRIMARY KEY,
  next integer REFERENCES links (id) DEFERRABLE INITIALLY IMMEDIATE
);

-- Down Migration

DROP TABLE links, order_counts, orders, favourites, clients;
DROP TYPE tier;

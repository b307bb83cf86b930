-- Up Migration

CREATE TABLE customers (
  customer_id bigint PRIMARY KEY,
  full_name text NOT NULL,
  email text NOT NULL UNIQUE
);

CREATE TABLE orders (
  order_id bigint PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers (customer_id),
  -- The book is the catalog's: a plain column, not a foreign key.
  isbn text NOT NULL,
  quantity integer NOT NULL,
  note text,
  ordered_at timestamptz NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id);

-- Down Migration

DROP TABLE orders, customers;

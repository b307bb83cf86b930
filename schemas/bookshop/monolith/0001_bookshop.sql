-- Up Migration

CREATE TYPE book_format AS ENUM ('hardcover', 'paperback', 'ebook');

CREATE TABLE books (
  isbn text PRIMARY KEY,
  title text NOT NULL,
  format book_format NOT NULL,
  price numeric(8, 2) NOT NULL,
  in_print boolean NOT NULL DEFAULT true
);

CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  first_name text NOT NULL,
  last_name text NOT NULL,
  email text NOT NULL UNIQUE
);

CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers (id),
  isbn text NOT NULL REFERENCES books (isbn),
  quantity integer NOT NULL CHECK (quantity > 0),
  note text,
  ordered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_isbn ON orders (isbn);

-- Down Migration

DROP TABLE orders, customers, books;
DROP TYPE book_format;

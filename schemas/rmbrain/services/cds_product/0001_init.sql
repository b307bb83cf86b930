-- Up Migration

CREATE TABLE products (
  id uuid PRIMARY KEY,
  code text NOT NULL UNIQUE,
  name text NOT NULL,
  asset_class text NOT NULL CHECK (asset_class IN ('equity', 'bond', 'fund', 'structured', 'cash')),
  risk_level smallint NOT NULL CHECK (risk_level BETWEEN 1 AND 7),
  currency varchar(3) NOT NULL,
  minimum_amount numeric(14, 2) NOT NULL,
  terms jsonb NOT NULL DEFAULT '{}',
  is_active boolean NOT NULL
);

-- Down Migration

DROP TABLE products;

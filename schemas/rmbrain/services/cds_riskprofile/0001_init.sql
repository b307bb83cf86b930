-- Up Migration

-- Clients and products are in other databases: their ids are plain columns.
CREATE TABLE risk_profiles (
  id uuid PRIMARY KEY,
  client_id uuid NOT NULL UNIQUE,
  risk_level smallint NOT NULL CHECK (risk_level BETWEEN 1 AND 7),
  score numeric(6, 3) NOT NULL,
  answers jsonb NOT NULL DEFAULT '{}',
  valid_until date NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE suitability_assessments (
  id uuid PRIMARY KEY,
  risk_profile_id uuid NOT NULL REFERENCES risk_profiles,
  product_id uuid,
  is_suitable boolean NOT NULL,
  reason text NOT NULL,
  assessed_at timestamptz NOT NULL
);
CREATE INDEX suitability_assessments_profile ON suitability_assessments (risk_profile_id);
CREATE INDEX suitability_assessments_product ON suitability_assessments (product_id);

-- Down Migration

DROP TABLE suitability_assessments, risk_profiles;

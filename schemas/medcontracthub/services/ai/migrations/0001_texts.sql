-- Up Migration

CREATE TABLE opportunity_texts (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  description text NOT NULL,
  agency text NOT NULL,
  naics_code varchar(6),
  requirements text[] NOT NULL,
  details jsonb NOT NULL,
  embeddings_version integer NOT NULL
);

CREATE TABLE company_profiles (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  profile text NOT NULL,
  naics_codes text[] NOT NULL,
  annual_revenue numeric,
  address jsonb NOT NULL
);

CREATE TABLE proposal_texts (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  technical_approach text NOT NULL,
  sections jsonb NOT NULL
);

-- Down Migration

DROP TABLE proposal_texts, company_profiles, opportunity_texts;

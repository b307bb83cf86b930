-- Up Migration

CREATE TABLE live_opportunities (
  opportunity_id uuid PRIMARY KEY,
  notice_id varchar(40) NOT NULL,
  agency text NOT NULL,
  status text NOT NULL,
  -- NULL: open until filled.
  closes_at timestamptz,
  updated_at timestamptz NOT NULL
);
CREATE INDEX live_opportunities_closing ON live_opportunities (closes_at);

CREATE TABLE people (
  user_id uuid PRIMARY KEY,
  company_id uuid,
  email text NOT NULL,
  role text NOT NULL,
  last_sign_in_at timestamptz
);

CREATE TABLE proposal_reviews (
  proposal_id uuid PRIMARY KEY,
  requested_at timestamptz
);

-- Fed by the events of the OCR service, not by the monolith.
CREATE TABLE document_notices (
  document_id uuid PRIMARY KEY,
  characters integer NOT NULL CHECK (characters >= 0)
);

-- Down Migration

DROP TABLE document_notices, proposal_reviews, people, live_opportunities;

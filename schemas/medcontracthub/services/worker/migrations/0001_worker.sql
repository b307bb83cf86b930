-- Up Migration

-- Foreign keys have the actions that the monolith's have: a change takes effect here in the order it had there, and what the
-- monolith did by ON DELETE or ON UPDATE comes after the change that set it off.

CREATE TYPE proposal_state AS ENUM ('draft', 'in_review', 'submitted', 'won', 'lost', 'withdrawn');

CREATE TABLE companies (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  uei varchar(12) NOT NULL UNIQUE,
  size text NOT NULL,
  employee_count integer,
  website text,
  founded_on date,
  is_verified boolean NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  company_id uuid REFERENCES companies (id),
  email text NOT NULL UNIQUE,
  display_name text NOT NULL,
  biography text,
  hourly_rate numeric(10, 2),
  permissions text[] NOT NULL,
  preferences jsonb NOT NULL,
  avatar_digest bytea,
  is_active boolean NOT NULL
);

CREATE TABLE opportunities (
  id uuid PRIMARY KEY,
  notice_id varchar(40) NOT NULL UNIQUE,
  title text NOT NULL,
  is_active boolean NOT NULL,
  response_deadline timestamptz,
  awarded_company_id uuid REFERENCES companies (id)
);

CREATE TABLE proposals (
  id uuid PRIMARY KEY,
  opportunity_id uuid NOT NULL REFERENCES opportunities (id),
  company_id uuid NOT NULL REFERENCES companies (id),
  submitted_by uuid REFERENCES accounts (id) ON DELETE SET NULL,
  status proposal_state NOT NULL,
  price numeric(14, 2),
  sections jsonb NOT NULL,
  submitted_at timestamptz
);
CREATE INDEX proposals_opportunity ON proposals (opportunity_id);
CREATE INDEX proposals_company ON proposals (company_id);
CREATE INDEX proposals_submitted_by ON proposals (submitted_by);

CREATE TABLE attachments (
  document_id uuid PRIMARY KEY,
  opportunity_id uuid NOT NULL REFERENCES opportunities (id),
  proposal_id uuid REFERENCES proposals (id) ON UPDATE CASCADE ON DELETE SET NULL,
  file_name text NOT NULL,
  size_bytes bigint NOT NULL
);
CREATE INDEX attachments_opportunity ON attachments (opportunity_id);
CREATE INDEX attachments_proposal ON attachments (proposal_id);

CREATE TABLE failed_requests (
  usage_id bigint PRIMARY KEY,
  endpoint text NOT NULL,
  status_code smallint NOT NULL,
  request_body text,
  occurred_at timestamptz NOT NULL
);

-- Down Migration

DROP TABLE failed_requests, attachments, proposals, opportunities, accounts, companies;
DROP TYPE proposal_state;

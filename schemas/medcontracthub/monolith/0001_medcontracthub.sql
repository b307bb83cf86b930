-- Up Migration

CREATE SCHEMA auth;

CREATE TYPE company_size AS ENUM ('micro', 'small', 'mid_size', 'large');
CREATE TYPE user_role AS ENUM ('viewer', 'analyst', 'bid_manager', 'administrator');
CREATE TYPE notice_type AS ENUM ('presolicitation', 'solicitation', 'combined_synopsis', 'sources_sought', 'award_notice');
CREATE TYPE opportunity_status AS ENUM ('forecast', 'open', 'closing', 'closed', 'awarded', 'cancelled');
CREATE TYPE proposal_status AS ENUM ('draft', 'in_review', 'submitted', 'won', 'lost', 'withdrawn');
CREATE TYPE document_type AS ENUM ('statement_of_work', 'amendment', 'pricing', 'certificate', 'correspondence');
CREATE TYPE http_method AS ENUM ('GET', 'POST', 'PUT', 'PATCH', 'DELETE');

CREATE TABLE companies (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  uei varchar(12) NOT NULL UNIQUE,
  description text NOT NULL,
  size company_size NOT NULL,
  naics_codes text[] NOT NULL DEFAULT '{}',
  annual_revenue numeric,
  employee_count integer,
  address jsonb NOT NULL DEFAULT '{}',
  website text,
  founded_on date,
  is_verified boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE auth.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  company_id uuid REFERENCES companies (id),
  email text NOT NULL UNIQUE,
  full_name text NOT NULL,
  biography text,
  role user_role NOT NULL DEFAULT 'viewer',
  hourly_rate numeric(10, 2),
  permissions text[] NOT NULL DEFAULT '{}',
  preferences jsonb NOT NULL DEFAULT '{}',
  avatar_digest bytea,
  is_active boolean NOT NULL DEFAULT true,
  last_sign_in_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_company ON auth.users (company_id);

CREATE TABLE opportunities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  notice_id varchar(40) NOT NULL UNIQUE,
  title text NOT NULL,
  description text NOT NULL,
  agency text NOT NULL,
  notice_type notice_type NOT NULL,
  status opportunity_status NOT NULL DEFAULT 'open',
  set_aside_type text,
  naics_code varchar(6),
  -- Counted by agency, so it is a number; estimates may be unknown in PostgreSQL's own way, NaN.
  award_amount numeric(14, 2) CHECK (award_amount >= 0 AND award_amount <> 'NaN'),
  estimated_value numeric,
  requirements text[] NOT NULL DEFAULT '{}',
  details jsonb NOT NULL DEFAULT '{}',
  is_active boolean NOT NULL DEFAULT true,
  posted_on date NOT NULL,
  -- infinity: open until filled.
  response_deadline timestamptz,
  performance_period daterange,
  created_by uuid REFERENCES auth.users (id) ON DELETE SET NULL,
  awarded_company_id uuid REFERENCES companies (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX opportunities_agency ON opportunities (agency, status);
CREATE INDEX opportunities_deadline ON opportunities (response_deadline) WHERE is_active;
CREATE INDEX opportunities_created_by ON opportunities (created_by);
CREATE INDEX opportunities_awarded_company ON opportunities (awarded_company_id);

CREATE TABLE proposals (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  opportunity_id uuid NOT NULL REFERENCES opportunities (id),
  company_id uuid NOT NULL REFERENCES companies (id),
  submitted_by uuid REFERENCES auth.users (id) ON DELETE SET NULL,
  title text NOT NULL,
  technical_approach text NOT NULL,
  status proposal_status NOT NULL DEFAULT 'draft',
  price numeric(14, 2),
  margin numeric,
  win_probability double precision,
  milestone_amounts numeric(12, 2)[] NOT NULL DEFAULT '{}',
  sections jsonb NOT NULL DEFAULT '{}',
  is_late boolean NOT NULL DEFAULT false,
  submitted_at timestamptz,
  review_requested_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX proposals_opportunity ON proposals (opportunity_id);
CREATE INDEX proposals_company ON proposals (company_id);
CREATE INDEX proposals_submitted_by ON proposals (submitted_by);

CREATE TABLE contract_documents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  opportunity_id uuid NOT NULL REFERENCES opportunities (id),
  -- A proposal that was filed again under another id takes its documents with it.
  proposal_id uuid REFERENCES proposals (id) ON UPDATE CASCADE ON DELETE SET NULL,
  file_name text NOT NULL,
  document_type document_type NOT NULL,
  content_text text,
  size_bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  page_count smallint,
  confidence numeric(5, 4),
  tags text[] NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}',
  is_public boolean NOT NULL DEFAULT false,
  processing_time interval,
  uploaded_at timestamptz NOT NULL DEFAULT now(),
  processed_at timestamptz
);
CREATE INDEX contract_documents_opportunity ON contract_documents (opportunity_id);
CREATE INDEX contract_documents_proposal ON contract_documents (proposal_id);

CREATE TABLE api_usage (
  id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  user_id uuid REFERENCES auth.users (id) ON DELETE SET NULL,
  company_id uuid REFERENCES companies (id),
  endpoint text NOT NULL,
  method http_method NOT NULL,
  status_code smallint NOT NULL,
  response_time_ms integer NOT NULL,
  cost_units numeric(12, 4) NOT NULL,
  scopes text[] NOT NULL DEFAULT '{}',
  request_body text,
  metadata jsonb NOT NULL DEFAULT '{}',
  is_cached boolean NOT NULL DEFAULT false,
  client_ip inet,
  occurred_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_usage_user ON api_usage (user_id);
CREATE INDEX api_usage_company ON api_usage (company_id, occurred_at);

-- Down Migration

DROP TABLE api_usage, contract_documents, proposals, opportunities, auth.users, companies;
DROP TYPE http_method, document_type, proposal_status, opportunity_status, notice_type, user_role, company_size;
DROP SCHEMA auth;

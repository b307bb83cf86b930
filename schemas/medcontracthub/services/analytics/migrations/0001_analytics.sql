-- Up Migration

CREATE TABLE opportunity_facts (
  opportunity_id uuid PRIMARY KEY,
  notice_type text NOT NULL,
  status text NOT NULL,
  agency text NOT NULL,
  set_aside_type text,
  naics_sector text,
  award_amount numeric(14, 2),
  estimated_value numeric,
  posted_on date NOT NULL,
  posted_month date NOT NULL,
  response_deadline timestamptz,
  performance_period daterange,
  created_by uuid,
  company_id uuid,
  created_at timestamptz NOT NULL
);
CREATE INDEX opportunity_facts_agency ON opportunity_facts (agency, posted_month);

CREATE TABLE proposal_facts (
  proposal_id uuid PRIMARY KEY,
  opportunity_id uuid NOT NULL,
  company_id uuid NOT NULL,
  status text NOT NULL,
  price numeric(14, 2),
  margin numeric,
  win_probability double precision,
  milestone_amounts numeric(12, 2)[] NOT NULL,
  is_late boolean NOT NULL,
  submitted_at timestamptz
);

CREATE TABLE api_usage_events (
  usage_id bigint PRIMARY KEY,
  user_id uuid,
  company_id uuid,
  endpoint text NOT NULL,
  method text NOT NULL,
  status_code smallint NOT NULL,
  response_seconds numeric NOT NULL,
  cost_units numeric(12, 4) NOT NULL,
  scopes text[] NOT NULL,
  metadata jsonb NOT NULL,
  client_ip inet,
  occurred_at timestamptz NOT NULL
);
CREATE INDEX api_usage_events_time ON api_usage_events (occurred_at, user_id);

-- What each opportunity counts for at present: the counters are moved by the difference to it.
CREATE TABLE counted_opportunities (
  opportunity_id uuid PRIMARY KEY,
  agency text NOT NULL,
  award_amount numeric(14, 2) NOT NULL
);

CREATE TABLE agency_statistics (
  agency text PRIMARY KEY,
  opportunities bigint NOT NULL,
  awarded_amount numeric(20, 2) NOT NULL
);

-- Down Migration

DROP TABLE agency_statistics, counted_opportunities, api_usage_events, proposal_facts, opportunity_facts;

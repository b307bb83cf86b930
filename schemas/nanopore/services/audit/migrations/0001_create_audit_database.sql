-- Up Migration

CREATE TABLE audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_type text NOT NULL,
  entity_id text NOT NULL,
  action text NOT NULL,
  severity text NOT NULL DEFAULT 'info',
  is_security_event boolean NOT NULL DEFAULT false,
  user_id uuid,
  ip_address inet,
  old_values jsonb,
  new_values jsonb,
  occurred_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_logs_entity ON audit_logs (entity_type, occurred_at);
CREATE INDEX audit_logs_security ON audit_logs (occurred_at) WHERE is_security_event;

CREATE TABLE compliance_reports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  framework text NOT NULL,
  period_start date NOT NULL,
  period_end date NOT NULL,
  status text NOT NULL DEFAULT 'draft',
  findings jsonb NOT NULL DEFAULT '[]',
  score numeric(5, 2),
  generated_by uuid,
  generated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE retention_policies (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  entity_type text NOT NULL UNIQUE,
  retention_days integer NOT NULL CHECK (retention_days > 0),
  legal_basis text NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  last_applied_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Down Migration

DROP TABLE retention_policies, compliance_reports, audit_logs;

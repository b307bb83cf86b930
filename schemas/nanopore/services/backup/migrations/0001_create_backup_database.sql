-- Up Migration

CREATE TABLE backup_schedules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE,
  database_name text NOT NULL,
  cron text NOT NULL,
  retention_days integer NOT NULL CHECK (retention_days > 0),
  is_compressed boolean NOT NULL DEFAULT true,
  is_encrypted boolean NOT NULL DEFAULT true,
  is_active boolean NOT NULL DEFAULT true
);

CREATE TABLE backup_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  schedule_id uuid REFERENCES backup_schedules (id) ON DELETE SET NULL,
  status text NOT NULL DEFAULT 'scheduled',
  size_bytes bigint,
  error text,
  started_at timestamptz,
  finished_at timestamptz
);
CREATE INDEX backup_jobs_schedule ON backup_jobs (schedule_id, started_at);

CREATE TABLE backup_metadata (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_id uuid NOT NULL UNIQUE REFERENCES backup_jobs (id) ON DELETE CASCADE,
  location text NOT NULL,
  sha256 bytea NOT NULL,
  compression text,
  encryption text,
  table_rows jsonb NOT NULL DEFAULT '{}',
  verified_at timestamptz
);

-- Down Migration

DROP TABLE backup_metadata, backup_jobs, backup_schedules;

-- Up Migration

-- Samples and attachments are another service's: their ids are plain columns here.

CREATE TABLE ai_processing_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid,
  job_type text NOT NULL,
  status text NOT NULL DEFAULT 'queued',
  priority smallint NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0,
  payload jsonb NOT NULL DEFAULT '{}',
  error text,
  queued_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz
);
-- The queue: what a worker looks for, in the order in which it takes it.
CREATE INDEX ai_processing_jobs_queue ON ai_processing_jobs (priority DESC, queued_at, id) WHERE status = 'queued';
CREATE INDEX ai_processing_jobs_sample ON ai_processing_jobs (sample_id);

CREATE TABLE ai_extraction_results (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_id uuid NOT NULL REFERENCES ai_processing_jobs (id) ON DELETE CASCADE,
  attachment_id uuid,
  extraction_method text NOT NULL,
  extracted_data jsonb NOT NULL,
  confidence numeric(5, 4) NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  validation_status text NOT NULL DEFAULT 'pending',
  model_name text,
  processing_ms integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ai_extraction_results_job ON ai_extraction_results (job_id);
CREATE INDEX ai_extraction_results_review ON ai_extraction_results (confidence) WHERE validation_status = 'pending';

CREATE TABLE ai_model_performance (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  model_name text NOT NULL,
  extraction_method text NOT NULL,
  measured_on date NOT NULL,
  requests integer NOT NULL,
  failures integer NOT NULL,
  average_confidence double precision,
  average_ms integer NOT NULL,
  cost numeric(12, 6) NOT NULL DEFAULT 0,
  details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ai_model_performance_day ON ai_model_performance (model_name, measured_on);

-- Down Migration

DROP TABLE ai_model_performance, ai_extraction_results, ai_processing_jobs;

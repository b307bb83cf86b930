-- Up Migration

-- Users stay with the monolith: their ids are plain columns here.

CREATE TABLE nanopore_samples (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id varchar(50) NOT NULL UNIQUE,
  sample_name varchar(200) NOT NULL,
  project_id varchar(100),
  submitter_id uuid,
  submitter_name varchar(200) NOT NULL,
  lab_name varchar(200),
  sample_type text NOT NULL,
  status text NOT NULL DEFAULT 'submitted',
  priority text NOT NULL DEFAULT 'normal',
  concentration numeric(12, 4),
  volume numeric(10, 2),
  tags text[] NOT NULL DEFAULT '{}',
  is_rush boolean NOT NULL DEFAULT false,
  submitted_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Words as they are, since names and numbers of samples belong to no language. The columns are bounded: a document that is too
  -- large for a tsvector would refuse its row.
  search_document tsvector NOT NULL GENERATED ALWAYS AS (
    setweight(to_tsvector('simple'::regconfig, sample_id || ' ' || sample_name), 'A')
    || setweight(to_tsvector('simple'::regconfig, coalesce(project_id, '') || ' ' || coalesce(lab_name, '')), 'B')
    || setweight(to_tsvector('simple'::regconfig, submitter_name), 'C')) STORED
);
CREATE INDEX nanopore_samples_search ON nanopore_samples USING gin (search_document);
CREATE INDEX nanopore_samples_status ON nanopore_samples (status, priority);

CREATE TABLE nanopore_sample_details (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid NOT NULL UNIQUE REFERENCES nanopore_samples (id) ON DELETE CASCADE,
  organism text,
  buffer text,
  absorbance_ratio double precision,
  flow_cell_type text,
  genome_size bigint,
  notes text,
  custom_fields jsonb NOT NULL DEFAULT '{}',
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE nanopore_processing_steps (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid NOT NULL REFERENCES nanopore_samples (id) ON DELETE CASCADE,
  step_name text NOT NULL,
  step_order smallint NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  assigned_to uuid,
  results jsonb NOT NULL DEFAULT '{}',
  notes text,
  started_at timestamptz,
  completed_at timestamptz
);
CREATE INDEX nanopore_processing_steps_sample ON nanopore_processing_steps (sample_id, step_order);

CREATE TABLE nanopore_attachments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sample_id uuid NOT NULL REFERENCES nanopore_samples (id) ON DELETE CASCADE,
  file_name text NOT NULL,
  file_type text NOT NULL,
  size_bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  extracted_text text,
  uploaded_by uuid,
  uploaded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX nanopore_attachments_sample ON nanopore_attachments (sample_id);

-- Down Migration

DROP TABLE nanopore_attachments, nanopore_processing_steps, nanopore_sample_details, nanopore_samples;

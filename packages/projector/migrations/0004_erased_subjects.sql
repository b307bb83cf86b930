-- Up Migration

-- The erased subjects of the system, as every service database remembers them: outside of the pipeline database, whose keys
-- come back with an older copy of it. The id is a keyed hash.
CREATE TABLE erased_subjects (
  system_name text NOT NULL,
  subject_id text NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (system_name, subject_id)
);

-- Down Migration

DROP TABLE erased_subjects;

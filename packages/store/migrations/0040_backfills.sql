-- Up Migration

-- A run over tables that are loaded, or over a part of one that is: the same state and checkpoints, told apart by kind.
ALTER TABLE data_migration_state ADD COLUMN kind text NOT NULL DEFAULT 'load' CHECK (kind IN ('load', 'backfill'));
-- A backfill is requested -> running <-> paused -> completed | cancelled | failed.
ALTER TABLE data_migration_state DROP CONSTRAINT data_migration_state_status_check;
ALTER TABLE data_migration_state ADD CONSTRAINT data_migration_state_status_check CHECK (
  CASE kind
    WHEN 'load' THEN status IN ('pending', 'running', 'completed', 'failed')
    ELSE status IN ('requested', 'running', 'paused', 'completed', 'cancelled', 'failed')
  END
);

-- What a backfill is beside its state: what was asked for, and how fast it goes. The reader of the lane does the work.
CREATE TABLE backfill_runs (
  migration_id uuid PRIMARY KEY REFERENCES data_migration_state (id),
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  -- What a person wants of a run that is running; the reader answers with its status after the chunk at hand.
  wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
  -- First and last key, both included; NULL where the table's own end is meant.
  from_key text[],
  to_key text[],
  -- SQL condition over the table's columns; NULL for every row.
  filter text,
  -- It waits while more events than this are stored and not published,
  lag_events_max bigint NOT NULL,
  -- or while more sessions than this are at work in the source.
  active_sessions_max integer NOT NULL,
  -- Keys a second at most; NULL without a bound.
  rows_per_second_max integer,
  -- Keys that were passed, whether their rows were stored or not.
  rows_read bigint NOT NULL DEFAULT 0,
  -- Rows that were left out, since the stream has something newer.
  rows_dropped bigint NOT NULL DEFAULT 0,
  -- Lately, waiting included; NULL before the first chunk.
  rows_per_second double precision,
  -- True once every key was passed; keys that must be read again may be left.
  is_range_read boolean NOT NULL DEFAULT false,
  -- Why it stands for now; NULL while it goes on.
  waits_for text
);

-- What people asked of backfills, with the change itself in one transaction.
CREATE TABLE backfill_commands (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  migration_id uuid NOT NULL REFERENCES data_migration_state (id),
  command text NOT NULL CHECK (command IN ('start', 'pause', 'resume', 'cancel', 'throttle')),
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  details jsonb NOT NULL DEFAULT '{}'
);

-- Down Migration

DROP TABLE backfill_commands, backfill_runs;
DELETE FROM migration_checkpoints c USING data_migration_state m WHERE m.id = c.migration_id AND m.kind = 'backfill';
DELETE FROM data_migration_state WHERE kind = 'backfill';
ALTER TABLE data_migration_state DROP CONSTRAINT data_migration_state_status_check;
ALTER TABLE data_migration_state ADD CONSTRAINT data_migration_state_status_check
  CHECK (status IN ('pending', 'running', 'completed', 'failed'));
ALTER TABLE data_migration_state DROP COLUMN kind;

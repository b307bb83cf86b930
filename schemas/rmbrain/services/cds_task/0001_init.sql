-- Up Migration

-- The client is in another database: its id is a plain column.
CREATE TABLE tasks (
  id uuid PRIMARY KEY,
  client_id uuid,
  title text NOT NULL,
  description text,
  status text NOT NULL CHECK (status IN ('open', 'in_progress', 'done', 'cancelled')),
  priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 5),
  assigned_to text,
  due_on date,
  labels text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  completed_at timestamptz
);
CREATE INDEX tasks_client ON tasks (client_id);
CREATE INDEX tasks_due ON tasks (due_on) WHERE status IN ('open', 'in_progress');

-- Down Migration

DROP TABLE tasks;

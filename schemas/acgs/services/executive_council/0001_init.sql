-- Up Migration

-- A read-only copy of what auth_service owns.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  username text NOT NULL,
  full_name text NOT NULL,
  is_active boolean NOT NULL
);

-- A read-only copy of what governance_synthesis owns.
CREATE TABLE policies (
  id uuid PRIMARY KEY,
  title text NOT NULL,
  version integer NOT NULL,
  status text NOT NULL
);

CREATE TABLE council_members (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL UNIQUE REFERENCES users,
  title text NOT NULL,
  weight numeric(4, 2) NOT NULL,
  joined_on date NOT NULL,
  left_on date
);

CREATE TABLE decisions (
  id uuid PRIMARY KEY,
  policy_id uuid NOT NULL REFERENCES policies,
  proposed_by uuid NOT NULL REFERENCES council_members,
  title text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('open', 'adopted', 'rejected')),
  decided_at timestamptz
);
CREATE INDEX decisions_policy ON decisions (policy_id);
CREATE INDEX decisions_member ON decisions (proposed_by);

CREATE TABLE voting_records (
  decision_id uuid NOT NULL REFERENCES decisions,
  member_id uuid NOT NULL REFERENCES council_members,
  vote text NOT NULL CHECK (vote IN ('yes', 'no', 'abstain')),
  comment text,
  cast_at timestamptz NOT NULL,
  PRIMARY KEY (decision_id, member_id)
);
CREATE INDEX voting_records_member ON voting_records (member_id);

-- Down Migration

DROP TABLE voting_records, decisions, council_members, users, policies;

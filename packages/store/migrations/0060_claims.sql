-- Up Migration

-- Values that are too large for the topic of their event (decision 0018): the message carries the claim, the value lies here, in the
-- captured form that the event store has it in. Written by the relay before it sends the message.
CREATE TABLE claims (
  -- UUIDv5 of event, row and column.
  claim_id uuid PRIMARY KEY,
  event_id uuid NOT NULL,
  lane smallint NOT NULL REFERENCES lanes (lane),
  position bigint NOT NULL,
  row_image text NOT NULL CHECK (row_image IN ('before', 'after')),
  column_name text NOT NULL,
  -- Length and SHA-256 of the value's text in UTF-8.
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  -- PostgreSQL's text of the value: of a bytea, '\x' and hexadecimal digits.
  value text NOT NULL,
  -- How long the topic may hold the message; NULL if for ever. Retention lets it stand until then, and while the event is stored.
  kept_until timestamptz,
  stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX claims_positions ON claims (lane, position);

-- What a subscriber may see of the pipeline database, and nothing else. A role belongs to the whole server: where the migrating role
-- may not make it, an administrator does, or SLUICE_CLAIMS_URL names a role with this one grant.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_claims') THEN
    BEGIN
      CREATE ROLE sluice_claims NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
      NULL;
    END;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_claims') THEN
    GRANT SELECT ON claims TO sluice_claims;
  END IF;
END
$$;

-- Down Migration

DROP TABLE claims;

-- Up Migration

-- Messages of the replication protocol of a kind that the reader does not know. Written in the transaction
-- that moves the lane past them.
CREATE TABLE parked_messages (
  lane smallint NOT NULL REFERENCES lanes (lane),
  -- The commit record of its transaction; its own place in the WAL where it stood between transactions.
  lsn pg_lsn NOT NULL,
  -- Place among the parked messages of its transaction, from 0.
  place integer NOT NULL,
  -- First byte and length of the message.
  kind smallint NOT NULL,
  bytes integer NOT NULL,
  -- The whole message; NULL where the lane has private columns, whose values it may hold.
  message bytea,
  parked_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (lane, lsn, place)
);

-- Down Migration

DROP TABLE parked_messages;

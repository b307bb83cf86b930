-- Up Migration

-- True where analytics has the proposal's newest event: the projector writes it with the row.
ALTER TABLE proposal_facts ADD COLUMN analytics_synced boolean NOT NULL DEFAULT false;

-- Down Migration

ALTER TABLE proposal_facts DROP COLUMN analytics_synced;

-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON council_members, decisions, voting_records TO council_app;
GRANT SELECT ON users, policies TO council_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON council_members, decisions, voting_records, users, policies TO council_projector;
GRANT SELECT ON council_members, decisions, voting_records, users, policies TO council_verifier;

-- Down Migration

REVOKE ALL ON council_members, decisions, voting_records, users, policies FROM council_app, council_projector, council_verifier;

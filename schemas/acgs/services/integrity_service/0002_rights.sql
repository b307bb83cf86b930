-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON hash_chains, integrity_checks TO integrity_app;
GRANT SELECT, INSERT ON audit_logs TO integrity_app;
GRANT SELECT ON users, sessions TO integrity_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON hash_chains, audit_logs, integrity_checks, users, sessions TO integrity_projector;
GRANT SELECT ON hash_chains, audit_logs, integrity_checks, users, sessions TO integrity_verifier;

-- Down Migration

REVOKE ALL ON hash_chains, audit_logs, integrity_checks, users, sessions FROM integrity_app, integrity_projector, integrity_verifier;

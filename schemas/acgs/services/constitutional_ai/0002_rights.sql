-- Up Migration

-- The application writes what the service owns, and reads the copies of what other services own.
GRANT SELECT, INSERT, UPDATE, DELETE ON principles, validations, compliance_checks TO constitutional_app;
GRANT SELECT ON audit_logs, user_sessions TO constitutional_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON principles, validations, compliance_checks, audit_logs, user_sessions TO constitutional_projector;
GRANT SELECT ON principles, validations, compliance_checks, audit_logs, user_sessions TO constitutional_verifier;

-- Down Migration

REVOKE ALL ON principles, validations, compliance_checks, audit_logs, user_sessions FROM constitutional_app, constitutional_projector, constitutional_verifier;
